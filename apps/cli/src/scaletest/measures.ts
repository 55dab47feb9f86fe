/* What a load test measured: durations by operation, errors by what they said, and the verdict. */

export interface Figures {
  readonly count: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

export interface Measures {
  took(operation: string, ms: number): void;
  failed(operation: string, what: string): void;
  /** Runs it, and says how long it took or why it failed; null in that case. */
  timed<T>(operation: string, work: () => Promise<T>): Promise<T | null>;
  readonly errors: number;
  count(operation: string): number;
  figures(): Record<string, Figures>;
  failures(): Record<string, number>;
}

/** Of an ascending list; the nearest rank. */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

export function createMeasures(): Measures {
  const took = new Map<string, number[]>();
  const failures = new Map<string, number>();
  let errors = 0;
  const measures: Measures = {
    took(operation, ms) {
      const list = took.get(operation);
      if (list === undefined) took.set(operation, [ms]);
      else list.push(ms);
    },
    failed(operation, what) {
      errors++;
      const key = `${operation}: ${what}`;
      failures.set(key, (failures.get(key) ?? 0) + 1);
    },
    async timed(operation, work) {
      const at = performance.now();
      try {
        const value = await work();
        measures.took(operation, performance.now() - at);
        return value;
      } catch (error) {
        measures.failed(operation, (error as { code?: string }).code ?? (error instanceof Error ? error.message : String(error)));
        return null;
      }
    },
    get errors() {
      return errors;
    },
    count: (operation) => took.get(operation)?.length ?? 0,
    figures: () =>
      Object.fromEntries(
        [...took].map(([operation, list]) => {
          const sorted = list.toSorted((a, b) => a - b);
          return [
            operation,
            {
              count: sorted.length,
              p50_ms: rounded(quantile(sorted, 0.5)),
              p95_ms: rounded(quantile(sorted, 0.95)),
              p99_ms: rounded(quantile(sorted, 0.99)),
              max_ms: rounded(sorted.at(-1) ?? 0),
            },
          ];
        }),
      ),
    failures: () => Object.fromEntries(failures),
  };
  return measures;
}

/** Milliseconds that a p95 may reach: of all operations but a session's first words, and of those that are named. */
export interface P95Limits {
  readonly all: number | null;
  readonly of: Readonly<Record<string, number>>;
}

/** `250`, `update=50`, or both and more, separated by commas; null when it is none of these. */
export function p95Limits(text: string): P95Limits | null {
  let all: number | null = null;
  const of: Record<string, number> = {};
  for (const part of text.split(",")) {
    const [, operation, ms] = /^\s*(?:([a-z_.]+)=)?(\d+(?:\.\d+)?)\s*$/.exec(part) ?? [];
    if (ms === undefined) return null;
    if (operation === undefined) all = Number(ms);
    else of[operation] = Number(ms);
  }
  return { all, of };
}

/** What fails a gate; empty: nothing does. */
export function verdict(
  figures: Readonly<Record<string, Figures>>,
  errors: number,
  limits: { readonly maxP95Ms?: P95Limits | undefined; readonly maxErrors: number },
): string[] {
  const { all = null, of = {} } = limits.maxP95Ms ?? {};
  const failed: string[] = [];
  for (const [operation, { p95_ms: p95 }] of Object.entries(figures)) {
    const most = of[operation] ?? (operation === "session.first_delta" ? null : all);
    if (most !== null && p95 > most) failed.push(`${operation}: p95 ${p95} ms, over ${most} ms`);
  }
  for (const operation of Object.keys(of)) if (figures[operation] === undefined) failed.push(`${operation}: was not measured`);
  return errors > limits.maxErrors ? [...failed, `${errors} ${errors === 1 ? "error" : "errors"}, over ${limits.maxErrors}`] : failed;
}
