import { Field } from "@signalbox/ui/field";
import { Select } from "@signalbox/ui/select";
import { useQuery } from "@tanstack/react-query";
import { modelsQuery } from "../../data/queries.ts";
import { DEMO_WORDS, modelName, priceOf } from "../../sessions/start/model-field.tsx";
import { useMayConnect, useSetDefault } from "./model-queries.ts";

/** What a session uses that names none. */
export function DefaultModel() {
  const { data: models } = useQuery(modelsQuery);
  const set = useSetDefault();
  const mayChange = useMayConnect();
  const all = models?.items ?? [];
  const current = all.find(({ id }) => id === set.variables && set.isPending) ?? all.find(({ is_default }) => is_default);
  if (all.length === 0) return null;
  return (
    <Field
      label="Default model"
      hint={
        current === undefined
          ? undefined
          : current.is_demo
            ? DEMO_WORDS
            : `Through ${current.upstream}${priceOf(current) === null ? "" : `: ${priceOf(current)}`}.`
      }
    >
      {(props) => (
        <Select
          {...props}
          disabled={!mayChange || set.isPending}
          value={current?.id ?? ""}
          onChange={(id) => set.mutate(id)}
          options={all.map((model) => ({ value: model.id, label: modelName(model) }))}
        />
      )}
    </Field>
  );
}
