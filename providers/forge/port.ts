/*
 * The forge port: where repositories live. Everything here runs on the host, against a bare
 * *mirror* of one session; nothing is ever mounted into a sandbox, and no credential goes there.
 */

export interface RepositorySource {
  /** Absolute local path, `file://`, or `http(s)://` URL without credentials. */
  readonly url: string;
  readonly ref?: string | undefined;
}

export type ForgeFailure = {
  readonly ok: false;
  readonly code: "source_not_found" | "source_not_allowed" | "ref_not_found" | "auth_failed" | "unreachable" | "empty_repository";
  /** For a person; holds no credential. */
  readonly message: string;
};

export interface CheckedSource {
  readonly ok: true;
  /** Where git itself reads and writes. */
  readonly remoteUrl: string;
  /** A local repository with a working tree: its checked-out branch is never pushed to. */
  readonly hasWorkingTree: boolean;
  readonly branch: string | null;
  readonly commit: string;
}

export interface MirrorRequest {
  readonly directory: string;
  readonly source: CheckedSource;
  readonly signal?: AbortSignal | undefined;
}

export interface PushRequest {
  /** Bare repository that holds the new commit. */
  readonly directory: string;
  readonly remoteUrl: string;
  readonly ref: string;
  /** Forty zeros: the ref must not exist. */
  readonly old: string;
  /** Forty zeros: delete the ref. */
  readonly new: string;
  readonly signal?: AbortSignal | undefined;
}

export type PushOutcome =
  | { readonly ok: true }
  /** Nothing was changed at the remote. */
  | { readonly ok: false; readonly code: "stale" | "auth_failed" | "rejected" | "no_remote"; readonly message: string }
  /** It may have happened: compare the remote ref. */
  | { readonly ok: false; readonly code: "unknown"; readonly message: string };

export interface Forge {
  readonly name: string;
  /** Reads the remote's refs and nothing else. */
  check(source: RepositorySource, signal?: AbortSignal): Promise<CheckedSource | ForgeFailure>;
  /** Makes or refreshes the bare mirror: all branches and tags, never the quarantined refs. */
  mirror(request: MirrorRequest): Promise<{ readonly ok: true } | ForgeFailure>;
  /** One ref, from exactly `old` to exactly `new`, or not at all. */
  push(request: PushRequest): Promise<PushOutcome>;
  /** What the remote's ref is now; null when it does not exist. Throws when the remote does not answer. */
  remoteRef(remoteUrl: string, ref: string, signal?: AbortSignal): Promise<string | null>;
}

export const ZERO_COMMIT = "0".repeat(40);
