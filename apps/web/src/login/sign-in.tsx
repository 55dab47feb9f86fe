/* Signing in with an account: a mailed code, or a password, a passkey, another provider. */
import { getSignInMethods, sendSignInCode, verifySignInCode } from "@signalbox/contract/accounts";
import { Button } from "@signalbox/ui/button";
import { Field, inputLook } from "@signalbox/ui/field";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState, type ReactNode } from "react";
import { client, isRefusal } from "../data/api.ts";
import { arePasskeysPossible, postAuth, signInWithPasskey } from "./auth-calls.ts";
import { providerFor, SIGN_IN_FAILURES } from "./organization-sign-in.ts";
import { Threshold } from "./threshold.tsx";

/** Where one wanted to go; never another site. */
const goOn = (to: string): void => window.location.assign(to.startsWith("/") && !to.startsWith("//") && !to.startsWith("/\\") ? to : "/");

/** A provider's way back that ended in a no. */
const refusedBecause = (): string | null => {
  const code = new URLSearchParams(window.location.search).get("error");
  if (code === null) return null;
  return (
    SIGN_IN_FAILURES[code] ??
    "That did not sign you in: the address is not invited, or its account has not proven it yet. Use a mailed code first."
  );
};

/** `why`: what one is asked to sign in for. */
export function SignIn({ next = "/", why }: { next?: string; why?: ReactNode }) {
  const { data: methods } = useQuery({
    queryKey: ["sign-in-methods"],
    queryFn: ({ signal }) => client.call(getSignInMethods, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const refusal = refusedBecause();
  const [email, setEmail] = useState("");
  const [way, setWay] = useState<"code" | "password" | "sign-up">("code");
  return (
    <Threshold title={way === "sign-up" ? "Make an account" : "Sign in"}>
      {why}
      {refusal !== null && (
        <p role="alert" className="text-danger-ink">
          {refusal}
        </p>
      )}
      {way === "code" ? (
        <WithCode email={email} setEmail={setEmail} next={next} />
      ) : (
        <WithPassword email={email} setEmail={setEmail} isNew={way === "sign-up"} next={next} />
      )}
      <div className="flex flex-wrap gap-x-4 gap-y-2 text-sm">
        {way !== "code" && <Other onClick={() => setWay("code")}>Mail me a code instead</Other>}
        {way !== "password" && <Other onClick={() => setWay("password")}>Use a password</Other>}
        {way !== "sign-up" && <Other onClick={() => setWay("sign-up")}>Make an account</Other>}
      </div>
      <Elsewhere providers={methods?.providers ?? []} next={next} />
    </Threshold>
  );
}

function Other({ onClick, children }: { onClick(): void; children: string }) {
  return (
    <button type="button" className="underline underline-offset-4 hover:text-ink" onClick={onClick}>
      {children}
    </button>
  );
}

function EmailField({ email, setEmail }: { email: string; setEmail(email: string): void }) {
  return (
    <Field label="E-mail address">
      {(props) => (
        <input
          {...props}
          type="email"
          required
          autoComplete="username webauthn"
          maxLength={255}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          className={inputLook}
        />
      )}
    </Field>
  );
}

function WithCode({ email, setEmail, next }: { email: string; setEmail(email: string): void; next: string }) {
  const [code, setCode] = useState("");
  const send = useMutation({ mutationFn: () => client.call(sendSignInCode, { body: { email } }) });
  // Whose organization has a provider of its own is led there; where that does not answer, a code still goes out.
  const provider = useMutation({
    mutationFn: async () => {
      try {
        return await providerFor({ email, next });
      } catch (error) {
        if (isRefusal(error, "provider_unreachable")) return null;
        throw error;
      }
    },
    onSuccess: (url) => {
      if (url === null) send.mutate();
    },
  });
  const verify = useMutation({
    mutationFn: () => client.call(verifySignInCode, { body: { code: code.trim(), email } }),
    onSuccess: () => goOn(next),
  });
  const trouble = provider.error ?? send.error;
  if (!send.isSuccess && provider.data != null)
    return (
      <div className="space-y-4">
        <p className="text-ink-2">
          <span className="font-medium break-all text-ink">{email.slice(email.lastIndexOf("@") + 1)}</span> has a sign-in of its own.
        </p>
        {send.error !== null && <Trouble error={send.error} />}
        <div className="flex flex-wrap gap-2">
          <Button look="solid" autoFocus onClick={() => window.location.assign(provider.data!)}>
            Continue with single sign-on
          </Button>
          <Button look="quiet" busy={send.isPending} onClick={() => send.mutate()}>
            Mail me a code instead
          </Button>
        </div>
      </div>
    );
  if (!send.isSuccess)
    return (
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          provider.mutate();
        }}
      >
        <EmailField email={email} setEmail={setEmail} />
        {trouble !== null && <Trouble error={trouble} />}
        <Button type="submit" look="solid" busy={provider.isPending || send.isPending} disabled={email.trim() === ""}>
          Mail me a code
        </Button>
      </form>
    );
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        verify.mutate();
      }}
    >
      <p className="text-ink-2">
        If <span className="font-medium text-ink">{email}</span> may sign in here, a code is on its way. It works once, for 10 minutes.
      </p>
      <Field label="Code">
        {(props) => (
          <input
            {...props}
            required
            autoFocus
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={12}
            value={code}
            onChange={(event) => setCode(event.target.value)}
            className={`${inputLook} font-mono tracking-widest`}
          />
        )}
      </Field>
      {verify.error !== null && <Trouble error={verify.error} />}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="solid" busy={verify.isPending} disabled={code.trim().length < 6}>
          Sign in
        </Button>
        <Button
          look="quiet"
          onClick={() => {
            setCode("");
            send.reset();
            provider.reset();
            verify.reset();
          }}
        >
          Another address
        </Button>
      </div>
    </form>
  );
}

function WithPassword({ email, setEmail, isNew, next }: { email: string; setEmail(email: string): void; isNew: boolean; next: string }) {
  const [password, setPassword] = useState("");
  const [name, setName] = useState("");
  const enter = useMutation({
    mutationFn: () => postAuth(isNew ? "sign-up/email" : "sign-in/email", { email, password, ...(isNew ? { name } : {}) }),
    onSuccess: () => (isNew ? undefined : goOn(next)),
  });
  if (isNew && enter.isSuccess)
    return (
      <p className="text-ink-2">
        Look into your mail: a link there confirms the address and signs you in. Without an invitation none comes, unless signing up is open
        here.
      </p>
    );
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        enter.mutate();
      }}
    >
      {isNew && (
        <Field label="Your name">
          {(props) => (
            <input
              {...props}
              required
              maxLength={200}
              autoComplete="name"
              value={name}
              onChange={(event) => setName(event.target.value)}
              className={inputLook}
            />
          )}
        </Field>
      )}
      <EmailField email={email} setEmail={setEmail} />
      <Field label="Password" {...(isNew ? { hint: "At least 12 characters." } : {})}>
        {(props) => (
          <input
            {...props}
            type="password"
            required
            minLength={isNew ? 12 : 1}
            maxLength={200}
            autoComplete={isNew ? "new-password" : "current-password"}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            className={inputLook}
          />
        )}
      </Field>
      {enter.error !== null && <Trouble error={enter.error} />}
      <Button type="submit" look="solid" busy={enter.isPending}>
        {isNew ? "Make the account" : "Sign in"}
      </Button>
    </form>
  );
}

function Elsewhere({ providers, next }: { providers: readonly { id: string; name: string }[]; next: string }) {
  const go = useMutation({
    mutationFn: (provider: string) =>
      postAuth<{ url: string }>("sign-in/social", { provider, callbackURL: next, errorCallbackURL: "/login" }),
    onSuccess: ({ url }) => window.location.assign(url),
  });
  const passkey = useMutation({ mutationFn: signInWithPasskey, onSuccess: () => goOn(next) });
  const trouble = go.error ?? passkey.error;
  if (providers.length === 0 && !arePasskeysPossible) return null;
  return (
    <div className="space-y-3 border-t border-line pt-4">
      <div className="flex flex-wrap gap-2">
        {providers.map(({ id, name }) => (
          <Button key={id} busy={go.isPending && go.variables === id} onClick={() => go.mutate(id)}>
            Continue with {name}
          </Button>
        ))}
        {arePasskeysPossible && (
          <Button busy={passkey.isPending} onClick={() => passkey.mutate()}>
            <KeyRound size={16} aria-hidden /> Use a passkey
          </Button>
        )}
      </div>
      {trouble !== null && <Trouble error={trouble} />}
    </div>
  );
}
