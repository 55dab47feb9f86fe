/* What browsers ask of /api/auth beyond the contract's two routes: passwords, providers, passkeys. */
import { ApiError } from "@signalbox/client/client";
import { startAuthentication, startRegistration } from "@simplewebauthn/browser";

async function ask<T>(method: "GET" | "POST", path: string, body?: object): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/auth/${path}`, {
      method,
      credentials: "same-origin",
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new ApiError({ status: 0, code: "unreachable", message: "The server does not answer.", cause });
  }
  const said = (await response.json().catch(() => null)) as {
    message?: string;
    code?: string;
    error?: { code: string; message: string; fix?: string };
  } | null;
  if (response.ok) return said as T;
  throw new ApiError({
    status: response.status,
    code: said?.error?.code ?? said?.code ?? "invalid_answer",
    message: said?.error?.message ?? said?.message ?? `The server answered ${response.status}.`,
    fix: said?.error?.fix,
  });
}

export const postAuth = <T = unknown>(path: string, body: object): Promise<T> => ask<T>("POST", path, body);

type RequestOptions = Parameters<typeof startAuthentication>[0]["optionsJSON"];
type CreationOptions = Parameters<typeof startRegistration>[0]["optionsJSON"];
export interface Passkey {
  readonly id: string;
  readonly name?: string | null;
  readonly createdAt?: string;
}

/** Browsers bind passkeys to a name; an address of numbers has none. */
export const arePasskeysPossible = window.isSecureContext && !/^[\d.]+$|:/.test(window.location.hostname);

export async function signInWithPasskey(): Promise<void> {
  const optionsJSON = await ask<RequestOptions>("GET", "passkey/generate-authenticate-options");
  await postAuth("passkey/verify-authentication", { response: await startAuthentication({ optionsJSON }) });
}
export async function addPasskey(name: string): Promise<void> {
  const optionsJSON = await ask<CreationOptions>("GET", `passkey/generate-register-options?name=${encodeURIComponent(name)}`);
  await postAuth("passkey/verify-registration", { response: await startRegistration({ optionsJSON }), name });
}
export const listPasskeys = (): Promise<readonly Passkey[]> => ask("GET", "passkey/list-user-passkeys");
export const deletePasskey = (id: string): Promise<unknown> => postAuth("passkey/delete-passkey", { id });
