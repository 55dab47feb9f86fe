import { createSink } from "@signalbox/contract/sinks";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Input } from "@signalbox/ui/field";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Select } from "@signalbox/ui/select";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { refreshSinks } from "./sink-queries.ts";
import { SecretOnce } from "../secret-once.tsx";

type Kind = "webhook" | "convex";
type From = "now" | "beginning";

const TYPE = /^[a-z_]+(\.[a-z_]+)*(\.\*)?$/;
const typesIn = (text: string): string[] => text.split(/[\s,]+/).filter((each) => each !== "");

export function NewSink({ onClose }: { onClose(): void }) {
  const [kind, setKind] = useState<Kind>("webhook");
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [secret, setSecret] = useState("");
  const [types, setTypes] = useState("");
  const [from, setFrom] = useState<From>("now");
  const make = useMutation({
    mutationFn: () =>
      client.call(createSink, {
        body: {
          kind,
          url: url.trim(),
          name: name.trim() === "" ? new URL(url.trim()).host : name.trim(),
          types: typesIn(types),
          room_ids: [],
          from,
          ...(secret.trim() === "" ? {} : { secret: secret.trim() }),
        },
      }),
    onSuccess: (made) => {
      refreshSinks();
      if (made.secret === null) onClose();
    },
  });
  if (make.data !== undefined && make.data.secret !== null)
    return (
      <SecretOnce
        title="Copy the signing secret now"
        description="The receiver checks each message with it (Standard Webhooks). It is sealed here and cannot be shown again."
        secret={make.data.secret}
        copyLabel="Copy the secret"
        onClose={onClose}
      />
    );
  const wrongUrl = url.trim() !== "" && !URL.canParse(url.trim()) ? "Write it whole, like https://example.com/hook." : undefined;
  const wrongType = typesIn(types).find((each) => !TYPE.test(each));
  const isReady = url.trim() !== "" && wrongUrl === undefined && wrongType === undefined && (kind === "webhook" || secret.trim() !== "");
  return (
    <Dialog title="New sink" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) make.mutate();
        }}
      >
        <SegmentedControl<Kind>
          label="Kind"
          value={kind}
          onChange={setKind}
          segments={[
            { value: "webhook", label: "Webhook" },
            { value: "convex", label: "Convex" },
          ]}
        />
        <Field
          label={kind === "webhook" ? "Address" : "Deployment"}
          error={wrongUrl}
          hint={kind === "webhook" ? "Gets one POST an event. https, on a public address." : "With the functions of deploy/convex in it."}
        >
          {(field) => (
            <Input
              {...field}
              data-focus
              inputMode="url"
              spellCheck={false}
              maxLength={2000}
              placeholder={kind === "webhook" ? "https://example.com/hook" : "https://happy-animal-123.convex.cloud"}
              value={url}
              onChange={(event) => setUrl(event.target.value)}
            />
          )}
        </Field>
        <Field
          label={kind === "webhook" ? "Signing secret" : "Deploy key"}
          hint={
            kind === "webhook"
              ? "Left empty, one is made and shown once. Your own begins with whsec_."
              : "Of that deployment. It is sealed here."
          }
        >
          {(field) => (
            <Input
              {...field}
              type="password"
              autoComplete="off"
              maxLength={4096}
              value={secret}
              onChange={(event) => setSecret(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Which events"
          error={wrongType === undefined ? undefined : `${wrongType} is no type of event. Write run.completed, or run.* for all of a kind.`}
          hint="Types with blanks between. Empty: all of them."
        >
          {(field) => (
            <Input
              {...field}
              spellCheck={false}
              placeholder="run.* approval.requested"
              className="font-mono !text-sm"
              value={types}
              onChange={(event) => setTypes(event.target.value)}
            />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Name" hint="Empty: its host.">
            {(field) => <Input {...field} maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />}
          </Field>
          <Field label="It begins">
            {(field) => (
              <Select<From>
                {...field}
                value={from}
                onChange={setFrom}
                options={[
                  { value: "now", label: "With what happens from now on" },
                  { value: "beginning", label: "With the whole log" },
                ]}
              />
            )}
          </Field>
        </div>
        {make.error !== null && <Trouble error={make.error} />}
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="solid" busy={make.isPending} disabled={!isReady}>
            Publish
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
