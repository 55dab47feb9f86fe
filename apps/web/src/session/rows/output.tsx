import { getArtifact } from "@signalbox/contract/runs";
import { AnsiText } from "@signalbox/ui/ansi-text";
import { Button, LinkButton } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { client } from "../../data/api.ts";
import { plain } from "../tool-look.ts";
import { useRows } from "./row-context.ts";

/** What a tool printed. Of long output only a part is in the conversation; all of it is an artifact. */
export function Output({ text, isCut, artifactId }: { text: string; isCut: boolean; artifactId: string | null }) {
  const { session } = useRows();
  const whole = useMutation({ mutationFn: (id: string) => client.call(getArtifact, { params: { id } }) });
  const shown = whole.data?.text ?? text;
  const canRead = session !== null && artifactId !== null;
  return (
    <section>
      <div className="flex min-h-7 items-center justify-between">
        <h3 className="plate">Output</h3>
        <CopyButton text={plain(shown)} label="Copy: Output" />
      </div>
      <AnsiText text={shown} />
      {isCut && whole.data === undefined && (
        <p className="mt-2 flex flex-wrap items-center gap-3 text-sm text-ink-3">
          Only part of the output is kept inline.
          {canRead && (
            <>
              <Button size="sm" busy={whole.isPending} onClick={() => whole.mutate(artifactId)}>
                Show all of it
              </Button>
              <LinkButton size="sm" look="quiet" href={`/v1/artifacts/${artifactId}/content`} download>
                <Download size={14} aria-hidden /> Download
              </LinkButton>
            </>
          )}
        </p>
      )}
      {whole.error !== null && <Trouble error={whole.error} className="mt-2" />}
    </section>
  );
}
