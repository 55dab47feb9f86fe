import type { EventVersions } from "@signalbox/contract/event-versions";
import type { Decider, Decision } from "@signalbox/kernel/decider";
import { ulid } from "@signalbox/kernel/id";
import { wellFormed } from "@signalbox/kernel/canonical";
import type { Scanner } from "./dlp.ts";
import { ForeignIsReadOnly, isForeign } from "./foreign.ts";
import { redactionRecords, seal, type Entry } from "./envelope.ts";
import type { DomainEvent, NewJob, Origin, StreamRef, Unit, UnitOptions } from "./log.ts";
import type { Folded, StateCache, Turns } from "./subjects.ts";
import type { StagedUnit } from "./waiting.ts";

export interface Loader {
  /** Folds the subject on top of `from`, reading only what came later. */
  fold<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    organizationId: string,
    subject: string,
    from: Folded | undefined,
  ): Promise<{ state: S; version: number }>;
}

export interface AttemptDeps {
  readonly scanner: Scanner;
  readonly loader: Loader;
  readonly cache: StateCache;
  readonly turns: Turns;
  readonly now: () => string;
  readonly versions?: EventVersions | undefined;
}

interface SubjectInUnit {
  readonly decider: Decider<unknown, unknown, DomainEvent, { code: string }>;
  /** Version in the log when it was loaded. */
  readonly loaded: number;
  state: unknown;
  version: number;
}

const subjectKey = (organizationId: string, subject: string): string => `${organizationId}\n${subject}`;

/** Who writes the records that go with a redaction. */
const DLP_PRINCIPAL = { id: "svc_dlp", type: "service" } as const;

/**
 * One attempt at a unit: what it loaded, what it staged, whose turns it holds. Thrown away after a
 * lost race.
 *
 * Turns are taken without a chance of deadlock: the first subject is waited for while nothing is
 * held; later ones are only taken when free (else the version check decides); a retry takes all of
 * its predecessor's in sorted order before it runs.
 */
export class Attempt implements Unit {
  readonly #deps: AttemptDeps;
  readonly #options: UnitOptions;
  readonly #subjects = new Map<string, SubjectInUnit>();
  readonly #held = new Map<string, () => void>();
  readonly #entries: Entry[] = [];
  readonly #jobs: NewJob[] = [];
  readonly #correlationId: string;
  readonly #fresh: boolean;
  readonly #retry: boolean;
  #cachedReads = false;

  /** `fresh`: read the log for every subject, also for those remembered from the last command. `retry`: an attempt before this one lost a race. */
  constructor(deps: AttemptDeps, options: UnitOptions, { fresh, retry }: { fresh: boolean; retry: boolean }) {
    this.#retry = retry;
    this.#deps = deps;
    this.#options = options;
    this.#correlationId = options.origin.correlationId ?? `cor_${ulid()}`;
    this.#fresh = fresh;
  }

  /** True when some state came from memory alone, so that "nothing to do" or a refusal must be checked. */
  get answeredFromMemory(): boolean {
    return this.#cachedReads;
  }

  get subjects(): readonly string[] {
    return [...this.#subjects.keys()];
  }

  async takeTurns(keys: readonly string[]): Promise<void> {
    for (const key of keys.toSorted()) this.#held.set(key, await this.#deps.turns.take(key));
  }

  release(): void {
    for (const release of this.#held.values()) release();
    this.#held.clear();
  }

  async load<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    _stream: StreamRef,
    subject: string,
  ): Promise<S> {
    return (await this.#subject(decider, subject)).state as S;
  }

  async decide<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    stream: StreamRef,
    subject: string,
    command: C,
    origin?: Partial<Origin>,
  ): Promise<Decision<E, R>> {
    if (isForeign(subject) || isForeign(stream.id)) throw new ForeignIsReadOnly(subject);
    const found = await this.#subject(decider, subject);
    const decision = decider.decide(found.state as S, command);
    for (const event of decision.events ?? []) this.#stage(found, stream, subject, event, origin);
    return decision;
  }

  enqueue(job: NewJob): void {
    this.#jobs.push(job);
  }

  staged(value: unknown): StagedUnit {
    const { organizationId, idempotency, origin } = this.#options;
    const expected = [...this.#subjects]
      .filter(([, { loaded, version }]) => version > loaded)
      .map(([key, { loaded }]) => ({ organizationId, subject: key.slice(organizationId.length + 1), version: loaded }));
    return {
      entries: this.#entries,
      expected,
      jobs: this.#jobs,
      key: idempotency && {
        organizationId,
        principalId: origin.principal.id,
        key: idempotency.key,
        bodyHash: idempotency.bodyHash,
        // Stored, so scanned: an answer that shows a new token once does not show it again on a replay.
        outcome: this.#deps.scanner.scanText(organizationId, wellFormed(JSON.stringify(value ?? null))).text,
      },
    };
  }

  /** After the commit: what this attempt folded is now the newest that this process knows. */
  remember(): void {
    for (const [key, { decider, state, version, loaded }] of this.#subjects) {
      if (version > loaded) this.#deps.cache.set(decider, key, { state, version });
    }
  }

  forget(): void {
    for (const key of this.#subjects.keys()) this.#deps.cache.forget(key);
  }

  async #subject<S, C, E extends DomainEvent, R extends { code: string }>(
    decider: Decider<S, C, E, R>,
    subject: string,
  ): Promise<SubjectInUnit> {
    const { organizationId } = this.#options;
    const key = subjectKey(organizationId, subject);
    const known = this.#subjects.get(key);
    if (known !== undefined) {
      if (known.decider !== (decider as unknown)) throw new Error(`${subject} is folded by two deciders in one unit`);
      return known;
    }
    if (!this.#held.has(key)) {
      // Free, as nearly always: without waiting for a promise.
      const release = this.#deps.turns.tryTake(key) ?? (this.#held.size === 0 ? await this.#deps.turns.take(key) : null);
      if (release !== null) this.#held.set(key, release);
    }
    const remembered = this.#deps.cache.get(decider, key);
    let folded: Folded;
    if (remembered === undefined && !this.#retry && this.#options.newSubjects?.includes(subject) === true) {
      folded = { state: decider.initial, version: 0 };
    } else if (remembered !== undefined && !this.#fresh) {
      this.#cachedReads = true;
      folded = remembered;
    } else {
      folded = await this.#deps.loader.fold(decider, organizationId, subject, remembered);
      this.#deps.cache.set(decider, key, folded);
    }
    const loaded: SubjectInUnit = {
      decider: decider,
      loaded: folded.version,
      state: folded.state,
      version: folded.version,
    };
    this.#subjects.set(key, loaded);
    return loaded;
  }

  #stage(found: SubjectInUnit, stream: StreamRef, subject: string, event: DomainEvent, partial: Partial<Origin> | undefined): void {
    const { organizationId, idempotency } = this.#options;
    const origin: Origin = { ...this.#options.origin, ...partial };
    found.version += 1;
    const common = {
      organizationId,
      stream,
      correlationId: origin.correlationId ?? this.#correlationId,
      occurredAt: origin.occurredAt ?? this.#deps.now(),
      idempotencyKey: idempotency?.key,
    };
    const sealed = seal(this.#deps.scanner, { ...common, subject, subjectVersion: found.version, event, origin }, this.#deps.versions);
    // Folded as it will be read back, so that memory and log never differ.
    found.state = found.decider.evolve(found.state, sealed.entry.event);
    this.#entries.push(sealed.entry);
    if (sealed.rules.length === 0) return;
    redactionRecords(sealed).forEach((record, i) => {
      const { entry } = seal(this.#deps.scanner, {
        ...common,
        subject: `event:${sealed.entry.eventId}`,
        subjectVersion: i + 1,
        event: record,
        origin: { ...origin, principal: DLP_PRINCIPAL, causationId: sealed.entry.eventId },
      });
      this.#entries.push(entry);
    });
  }
}
