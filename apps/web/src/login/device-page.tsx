/* A program shows a code and waits: whoever is signed in here says whether it may act as them. */
import { answerDevice, getDevice } from "@signalbox/contract/accounts";
import { Button } from "@signalbox/ui/button";
import { Field, inputLook } from "@signalbox/ui/field";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { Door } from "./signed-out-door.tsx";
import { Threshold } from "./threshold.tsx";

const route = getRouteApi("/device");

export function DevicePage() {
  const { code: given } = route.useSearch();
  const me = useQuery(meQuery);
  const [code, setCode] = useState(given ?? "");
  const find = useMutation({ mutationFn: () => client.call(getDevice, { params: { user_code: code.trim() } }) });
  const answer = useMutation({
    mutationFn: (decision: "approve" | "deny") => client.call(answerDevice, { params: { user_code: code.trim() }, body: { decision } }),
  });
  if (me.isPending) return null;
  if (me.error !== null) return <Door />;
  if (answer.isSuccess)
    return (
      <Threshold title={answer.variables === "approve" ? "It is in" : "It stays out"}>
        <p className="text-ink-2">You can close this page{answer.variables === "approve" ? " and go on in the program" : ""}.</p>
      </Threshold>
    );
  if (find.data !== undefined)
    return (
      <Threshold title={`Let “${find.data.client_name}” in?`}>
        <p className="text-ink-2">
          It would act as {me.data?.principal.display_name} in {me.data?.organization.name}, and may:{" "}
          <span className="font-mono">{find.data.scopes.join(", ")}</span>. Say yes only if you have just started it yourself.
        </p>
        {answer.error !== null && <Trouble error={answer.error} />}
        <div className="flex flex-wrap gap-2">
          <Button look="solid" busy={answer.isPending} onClick={() => answer.mutate("approve")}>
            Let it in
          </Button>
          <Button onClick={() => answer.mutate("deny")}>Keep it out</Button>
        </div>
      </Threshold>
    );
  return (
    <Threshold title="Sign a program in">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          find.mutate();
        }}
      >
        <p className="text-ink-2">
          A program that you started on another machine, or in a terminal, asks for a part of what you may do here.
        </p>
        <Field label="The code that it shows">
          {(props) => (
            <input
              {...props}
              required
              autoCapitalize="characters"
              autoComplete="off"
              pattern="[A-Za-z]{4}-?[0-9]{4}"
              placeholder="BCDF-1234"
              maxLength={9}
              value={code}
              onChange={(event) => setCode(event.target.value)}
              className={`${inputLook} font-mono tracking-widest uppercase`}
            />
          )}
        </Field>
        {find.error !== null && <Trouble error={find.error} />}
        <Button type="submit" look="solid" busy={find.isPending}>
          Go on
        </Button>
      </form>
    </Threshold>
  );
}
