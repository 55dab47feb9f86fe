import { Skeleton } from "@signalbox/ui/placeholder";

export function SharedPage() {
  return (
    <main className="mx-auto max-w-3xl p-6">
      <h1 className="mb-4 text-xl font-semibold">Shared session</h1>
      <Skeleton rows={4} className="h-16" />
    </main>
  );
}
