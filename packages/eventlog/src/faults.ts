/** Faults of the log: thrown, because only the shell can answer for them. Refusals are values and live elsewhere. */

/** The same key came with another body, or its first use is still running after 5 s. Both are 409 `idempotency_conflict`. */
export class IdempotencyConflict extends Error {
  readonly code = "idempotency_conflict";
  readonly reason: "other_body" | "in_progress";
  constructor(reason: "other_body" | "in_progress") {
    super(
      reason === "other_body"
        ? "this idempotency key was used with another body"
        : "the first request with this idempotency key is still running",
    );
    this.name = "IdempotencyConflict";
    this.reason = reason;
  }
}

/** A command lost the race for its subjects in every attempt. Retrying later is safe: nothing was written. */
export class TooContended extends Error {
  readonly code = "too_contended";
  readonly retryable = true;
  constructor(subjects: readonly string[]) {
    super(`gave up after repeated conflicts on ${subjects.join(", ")}`);
    this.name = "TooContended";
  }
}

/** The database cannot be reached. Retrying later is safe: nothing was written. */
export class LogUnavailable extends Error {
  readonly code = "log_unavailable";
  readonly retryable = true;
  constructor(cause: unknown) {
    super("the log's database cannot be reached", { cause });
    this.name = "LogUnavailable";
  }
}

/** The connection was lost during COMMIT and the database did not come back in time to say what became of it. */
export class OutcomeUnknown extends Error {
  readonly code = "outcome_unknown";
  readonly retryable = false;
  constructor(cause: unknown) {
    super("the connection was lost while committing; whether the command took effect is not known yet", { cause });
    this.name = "OutcomeUnknown";
  }
}
