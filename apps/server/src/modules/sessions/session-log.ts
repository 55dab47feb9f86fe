/*
 * What a hub writes as: the platform, in the session's room, under the epoch of its lease.
 *
 * - Every write asks first whether the lease is still ours (`fence`); one that is overtaken writes nothing.
 * - Every write outlives an outage of the database (`patiently`): the agent works on meanwhile.
 */
import type { EventLog, Origin, StreamRef } from "@signalbox/eventlog/log";
import type { Logger } from "pino";
import { SYSTEM } from "../identity/public.ts";
import type { Lease, Leases } from "./lease.ts";
import { patiently } from "./patience.ts";
import { HubOvertaken } from "./recorder.ts";
import { session, type SessionFacts } from "./session.ts";

export interface SessionLogDeps {
  readonly log: EventLog;
  readonly leases: Pick<Leases, "isCurrent">;
  readonly logger: Logger;
}

export class SessionLog {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly stream: StreamRef;
  readonly subject: string;
  readonly #deps: SessionLogDeps;
  readonly #epoch: Lease["epoch"];
  readonly #facts: SessionFacts;
  readonly #isWanted: () => boolean;

  /** `isWanted` says whether an outage is worth waiting for. */
  constructor(deps: SessionLogDeps, lease: Lease, facts: SessionFacts, isWanted: () => boolean) {
    this.#deps = deps;
    this.#epoch = lease.epoch;
    this.#facts = facts;
    this.#isWanted = isWanted;
    this.organizationId = lease.organizationId;
    this.sessionId = lease.sessionId;
    this.stream = { type: "room", id: facts.about.room_id };
    this.subject = `session:${lease.sessionId}`;
  }

  origin(runId?: string): Origin {
    const { room_id: roomId, thread_id: threadId } = this.#facts.about;
    return {
      principal: SYSTEM,
      zone: "supervised",
      roomId,
      threadId,
      sessionId: this.sessionId,
      ...(runId === undefined ? {} : { runId }),
    };
  }

  /** @throws HubOvertaken when another process owns the session. */
  async fence(): Promise<void> {
    if (!(await this.#deps.leases.isCurrent(this.sessionId, this.#epoch))) throw this.overtaken();
  }

  overtaken(): HubOvertaken {
    return new HubOvertaken(`another process owns ${this.sessionId} now`);
  }

  /** Through outages of the database. `work` is told how often it was tried. */
  patiently<T>(work: (tries: number) => Promise<T>): Promise<T> {
    return patiently(
      this.#isWanted,
      (error) => this.#deps.logger.warn({ err: error, session_id: this.sessionId }, "the database is away; the session waits for it"),
      work,
    );
  }

  /** A command to the session itself. False: it makes no sense any more. */
  async decide(command: Parameters<typeof session.decide>[1]): Promise<boolean> {
    const { value } = await this.patiently(() =>
      this.#deps.log.unit({ organizationId: this.organizationId, origin: this.origin() }, async (unit) => {
        await unit.load(session, this.stream, this.subject);
        await this.fence();
        const decision = await unit.decide(session, this.stream, this.subject, command);
        return decision.ok ? null : decision.refusal.code;
      }),
    );
    if (value === "session_epoch_passed") throw this.overtaken();
    return value === null;
  }
}
