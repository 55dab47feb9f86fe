import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Dialog } from "@signalbox/ui/dialog";

/** A secret that is shown this one time. */
export function SecretOnce(props: {
  readonly title: string;
  readonly description: string;
  readonly secret: string;
  readonly copyLabel: string;
  readonly onClose: () => void;
}) {
  return (
    <Dialog title={props.title} description={props.description} onClose={props.onClose}>
      <div className="flex items-center gap-2 rounded-md border border-line bg-sunken py-2 pr-2 pl-3">
        <code className="min-w-0 flex-1 text-sm break-all" data-secret>
          {props.secret}
        </code>
        <CopyButton text={props.secret} label={props.copyLabel} />
      </div>
      <div className="mt-4 flex justify-end">
        <Button look="solid" onClick={props.onClose}>
          I have it
        </Button>
      </div>
    </Dialog>
  );
}
