import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function ArtifactPage() {
  return (
    <Page title="Artifact">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
