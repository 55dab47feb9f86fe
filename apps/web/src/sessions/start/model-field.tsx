import type { ModelView } from "@signalbox/contract/system";
import type { z } from "zod";
import { Field } from "@signalbox/ui/field";
import { money } from "@signalbox/ui/format";
import { Select } from "@signalbox/ui/select";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { modelsQuery } from "../../data/queries.ts";

export type Model = z.infer<typeof ModelView>;

export const DEMO_WORDS = "A scripted demonstration, not an AI: it plays one fixed task on the sample repository, with real tools.";

/** "$1.00 in, $5.00 out per million tokens"; null where nobody knows. */
export const priceOf = (model: Model): string | null =>
  model.input_micro_usd_per_million === null || model.output_micro_usd_per_million === null
    ? null
    : model.input_micro_usd_per_million === 0 && model.output_micro_usd_per_million === 0
      ? "free of charge"
      : `${money(model.input_micro_usd_per_million)} in, ${money(model.output_micro_usd_per_million)} out per million tokens`;

export const modelName = (model: Model): string =>
  model.is_demo && !/scripted/i.test(model.name) ? `${model.name} (scripted, not AI)` : model.name;

/** The chosen one, else the default, else the first. */
export function useModel(chosen: string | null): {
  model: Model | undefined;
  all: readonly Model[];
  isPending: boolean;
  error: Error | null;
} {
  const models = useQuery(modelsQuery);
  const all = models.data?.items ?? [];
  return {
    all,
    model: all.find(({ id }) => id === chosen) ?? all.find((each) => each.is_default) ?? all[0],
    isPending: models.isPending,
    error: models.data === undefined ? models.error : null,
  };
}

export function ModelField({
  value,
  onChange,
  refused,
}: {
  value: string | null;
  onChange(id: string): void;
  refused?: string | undefined;
}) {
  const { model, all, isPending, error } = useModel(value);
  const hint = (): React.ReactNode => {
    if (model === undefined)
      return isPending ? (
        "Asking which models there are…"
      ) : (
        <>
          No model is connected.{" "}
          <Link to="/settings/models" className="text-moving-ink underline underline-offset-2">
            Connect one
          </Link>
          .
        </>
      );
    if (model.is_demo) return DEMO_WORDS;
    return `Through ${model.upstream}${priceOf(model) === null ? "" : `: ${priceOf(model)}`}.`;
  };
  return (
    <Field label="Model" error={refused ?? error?.message} hint={hint()}>
      {(props) => (
        <Select
          {...props}
          value={model?.id ?? ""}
          onChange={onChange}
          disabled={all.length === 0}
          options={all.map((each) => ({ value: each.id, label: modelName(each) }))}
        />
      )}
    </Field>
  );
}
