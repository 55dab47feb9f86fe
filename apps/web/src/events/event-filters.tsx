import type { EventEnvelope } from "@signalbox/contract/envelope";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { Field, Input } from "@signalbox/ui/field";
import { useQuery } from "@tanstack/react-query";
import { SlidersHorizontal, X } from "lucide-react";
import { useState } from "react";
import { principalsQuery } from "../rooms/room-queries.ts";

export interface EventFilter {
  /** A principal's id. */
  readonly who?: string | undefined;
  /** Of what: `run:run_01J…`, or the beginning of it. */
  readonly subject?: string | undefined;
  readonly after?: string | undefined;
  readonly before?: string | undefined;
}

/** What a person chose or a link says, as the server takes it; undefined when it is no moment. */
export function moment(text: string | undefined): string | undefined {
  const at = text === undefined ? NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
export const defined = <Of extends object>(of: Of): { [Key in keyof Of]?: Exclude<Of[Key], undefined> } =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as never;

/** For what the server was not asked for in this form: the same question, put to what has been read. */
export function isLike(event: EventEnvelope, { who, subject, after, before }: EventFilter): boolean {
  const [from, to] = [moment(after), moment(before)];
  return (
    (who === undefined || event.principal.id === who) &&
    (subject === undefined || event.subject === subject || event.subject.startsWith(subject) || event.subject.endsWith(`:${subject}`)) &&
    (from === undefined || event.occurred_at >= from) &&
    (to === undefined || event.occurred_at <= to)
  );
}

const KIND_OF: Readonly<Record<string, string>> = {
  run: "run",
  ses: "session",
  room: "room",
  appr: "approval",
  usr: "principal",
  agt: "principal",
};
/** An id alone says of what kind it is. */
function subjectOf(text: string): string | undefined {
  if (text === "") return undefined;
  const kind = KIND_OF[text.split("_")[0] ?? ""];
  return text.includes(":") || kind === undefined ? text : `${kind}:${text}`;
}

/** For `datetime-local`, in the person's own time. */
function local(text: string | undefined): string {
  const at = moment(text);
  if (at === undefined) return "";
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function EventFilters({ filter, onChange }: { filter: EventFilter; onChange(change: EventFilter): void }) {
  const isUsed = Object.values(filter).some((each) => each !== undefined);
  const [isOpen, setOpen] = useState(isUsed);
  const { data: principals } = useQuery({ ...principalsQuery, enabled: isOpen });
  if (!isOpen)
    return (
      <Button size="sm" onClick={() => setOpen(true)}>
        <SlidersHorizontal size={14} aria-hidden /> More filters
      </Button>
    );
  return (
    <div
      role="group"
      aria-label="More filters"
      className="grid w-full grid-cols-2 items-start gap-x-3 gap-y-2 wide:grid-cols-[1fr_1fr_auto_auto_auto]"
    >
      <Field label="By">
        {(field) => (
          <Combobox
            id={field.id}
            placeholder="Anybody"
            options={[
              { value: "", label: "Anybody" },
              ...(principals?.items ?? []).map(({ id, display_name, type }) => ({
                value: id as string,
                label: display_name,
                detail: type,
              })),
            ]}
            value={filter.who ?? ""}
            onChange={(who) => onChange({ who: who === "" ? undefined : who })}
          />
        )}
      </Field>
      <Field label="Of what">
        {(field) => <SubjectInput id={field.id} subject={filter.subject ?? ""} onChange={(subject) => onChange({ subject })} />}
      </Field>
      <Field label="After">
        {(field) => (
          <Input
            {...field}
            type="datetime-local"
            value={local(filter.after)}
            onChange={({ target: { value } }) => onChange({ after: value === "" ? undefined : moment(value) })}
          />
        )}
      </Field>
      <Field label="Before">
        {(field) => (
          <Input
            {...field}
            type="datetime-local"
            value={local(filter.before)}
            onChange={({ target: { value } }) => onChange({ before: value === "" ? undefined : moment(value) })}
          />
        )}
      </Field>
      <Button
        look="quiet"
        className="wide:mt-7"
        onClick={() => {
          onChange({ who: undefined, subject: undefined, after: undefined, before: undefined });
          setOpen(false);
        }}
      >
        <X size={14} aria-hidden /> No filters
      </Button>
    </div>
  );
}

/** Asked for with Enter or on leaving it: half an id finds nothing. */
function SubjectInput({ id, subject, onChange }: { id: string; subject: string; onChange(subject: string | undefined): void }) {
  const [text, setText] = useState(subject);
  const tell = (): void => {
    const next = subjectOf(text.trim());
    setText(next ?? "");
    if ((next ?? "") !== subject) onChange(next);
  };
  return (
    <Input
      id={id}
      spellCheck={false}
      placeholder="run_01J…"
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={tell}
      onKeyDown={(event) => event.key === "Enter" && tell()}
    />
  );
}
