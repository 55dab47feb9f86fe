import type { ImportView } from "@signalbox/contract/imports";
import { Button } from "@signalbox/ui/button";
import { FileChooser } from "@signalbox/ui/file-chooser";
import { bytes, count } from "@signalbox/ui/format";
import { Progress } from "@signalbox/ui/progress";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { Upload } from "lucide-react";
import { useRef, useState } from "react";
import { queries } from "../../data/api.ts";
import { uploadLog, type Sending } from "./upload-log.ts";

/** A file of elsewhere: sent, verified completely, and only then kept. */
export function ImportLog() {
  const field = useRef<HTMLInputElement>(null);
  const sending = useRef<Sending | null>(null);
  const [share, setShare] = useState(0);
  const [isOver, setOver] = useState(false);
  const send = useMutation({
    mutationFn: (file: File): Promise<ImportView> => {
      setShare(0);
      sending.current = uploadLog(file, setShare);
      return sending.current.done;
    },
    onSuccess: (kept) => {
      toast(`Imported: ${kept.name}, ${count(kept.events, "event")} verified`);
      void queries.invalidateQueries({ queryKey: ["audit", "imports"] });
      void queries.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  const take = (file: File | undefined): void => {
    if (file !== undefined && !send.isPending) send.mutate(file);
  };
  const error = send.error instanceof DOMException ? null : send.error;
  return (
    <div
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files[0]);
      }}
      className={`space-y-3 rounded-md border border-dashed px-4 py-4 ${isOver ? "border-ink bg-raised" : "border-line-strong"}`}
    >
      <FileChooser ref={field} accept=".jsonl,.ndjson,application/x-ndjson" label="A log to import" onFile={take} />
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p className="min-w-0 flex-1 basis-64 text-sm text-ink-2">
          An export of another installation, or of another time. It is verified completely before anything of it is kept, and stays
          read-only, with its own chain.
        </p>
        <Button busy={send.isPending} onClick={() => field.current?.click()}>
          <Upload size={16} aria-hidden /> Choose a file
        </Button>
      </div>
      <div role="status" className="empty:hidden">
        {send.isPending && (
          <div className="space-y-2">
            <div className="flex items-center justify-between gap-3 text-sm text-ink-2">
              <span className="clamp-1 min-w-0">
                {share < 1
                  ? `Sending ${send.variables.name} (${bytes(send.variables.size)})`
                  : `Verifying ${send.variables.name}: every hash, every signature…`}
              </span>
              <Button size="sm" look="quiet" onClick={() => sending.current?.cancel()}>
                Cancel
              </Button>
            </div>
            <Progress label={share < 1 ? "Sent" : "Verifying"} value={share < 1 ? Math.round(share * 100) : null} />
          </div>
        )}
      </div>
      {error !== null && !send.isPending && <Trouble error={error} />}
    </div>
  );
}
