import { ChevronRight } from "lucide-react";
import { Accordion as Radix, Collapsible } from "radix-ui";
import type { ReactNode } from "react";

/** One thing that opens to more. What is folded is not in the page, so it costs nothing. */
export function Disclosure({
  summary,
  defaultOpen = false,
  className = "",
  children,
}: {
  summary: ReactNode;
  defaultOpen?: boolean;
  className?: string;
  children: ReactNode;
}) {
  return (
    <Collapsible.Root defaultOpen={defaultOpen} className={className}>
      <Collapsible.Trigger className="group flex w-full items-start gap-2 rounded-sm py-1 text-left">
        <ChevronRight
          size={16}
          aria-hidden
          className="mt-1 shrink-0 text-ink-3 transition-transform duration-(--quick) group-data-[state=open]:rotate-90"
        />
        <span className="min-w-0 flex-1">{summary}</span>
      </Collapsible.Trigger>
      <Collapsible.Content className="pt-1 pl-6">{children}</Collapsible.Content>
    </Collapsible.Root>
  );
}

/** Several of them, in one frame; any number may be open. */
export function Accordion({
  sections,
  defaultOpen = [],
  heading: Heading = "h3",
}: {
  sections: readonly { readonly id: string; readonly title: ReactNode; readonly aside?: ReactNode; readonly content: ReactNode }[];
  defaultOpen?: readonly string[];
  /** One below what stands above it on the page. */
  heading?: "h2" | "h3";
}) {
  return (
    <Radix.Root
      type="multiple"
      defaultValue={[...defaultOpen]}
      className="divide-y divide-line overflow-clip rounded-lg border border-line bg-panel"
    >
      {sections.map(({ id, title, aside, content }) => (
        <Radix.Item key={id} value={id}>
          <Radix.Header asChild>
            <Heading>
              <Radix.Trigger className="group flex w-full items-center gap-2.5 px-4 py-3 text-left font-medium -outline-offset-2 hover:bg-raised">
                <ChevronRight
                  size={16}
                  aria-hidden
                  className="shrink-0 text-ink-3 transition-transform duration-(--quick) group-data-[state=open]:rotate-90"
                />
                <span className="min-w-0 flex-1">{title}</span>
                {aside}
              </Radix.Trigger>
            </Heading>
          </Radix.Header>
          <Radix.Content className="px-4 pb-4 pl-10">{content}</Radix.Content>
        </Radix.Item>
      ))}
    </Radix.Root>
  );
}
