/*
 * A session in a real sandbox whose agent is played by this process: it runs the failing test, mends the code, commits,
 * and pushes by git's own client, which waits for a person. For tests of pages. That a real agent does all of it is
 * control-room.e2e.test.ts; it needs a hundred times what this does.
 */
import type { SessionView } from "@signalbox/contract/sessions";
import type { Harness } from "@signalbox/providers/agent/port";
import { vi } from "vitest";
import type { Composed } from "../../server/src/composed.fixture.ts";
import { scriptedAgent, type ScriptedSession } from "../../server/src/modules/sessions/scripted-harness.fixture.ts";

/** What the whole play may take where everything else wants the machine, too. */
const PATIENCE_MS = 240_000;

export interface Play {
  /** For `startComposed`. */
  readonly harnesses: Readonly<Record<string, { harness: Harness; tools: [] }>>;
  /** The demo's session, at the point where a person is asked. */
  untilAsked(server: Composed, title?: string): Promise<SessionView>;
  /** To its end, with the person's yes. */
  untilDone(server: Composed, session: SessionView): Promise<SessionView>;
}

export function startPlay(): Play {
  const agent = scriptedAgent();
  let sh: (script: string) => Promise<string> = () => Promise.reject(new Error("nothing is played yet"));

  async function tool(session: ScriptedSession, callId: string, name: string, args: object, script: string): Promise<void> {
    const title = "command" in args ? String(args.command) : "src/invoice.js";
    session.emit({ type: "tool.started", stepId: "s1", callId, name, title, arguments: args });
    const output = await sh(script);
    session.emit({ type: "tool.completed", callId, title, output, truncated: false, metadata: {} });
  }
  const bash = (session: ScriptedSession, callId: string, command: string): Promise<void> =>
    tool(session, callId, "bash", { command }, `${command} 2>&1 || true`);

  async function play(session: ScriptedSession): Promise<void> {
    session.emit({ type: "plan.updated", entries: [{ content: "Find what fails", status: "in_progress" }] });
    session.say("first", "First I look at the repository.");
    await bash(session, "look", "git log --oneline");
    await bash(session, "test", "node --test --test-reporter=tap");
    const edit = { filePath: "src/invoice.js", oldString: "  return before + discount;", newString: "  return before - discount;" };
    await tool(session, "edit", "edit", edit, "sed -i 's/before + discount/before - discount/' src/invoice.js");
    await bash(session, "commit", "git commit -qam 'Take the discount off'");
    await bash(session, "push", "git push");
    session.say("last", "The discount is **taken off**, and the change is pushed.");
    session.emit({ type: "plan.updated", entries: [{ content: "Find what fails", status: "completed" }] });
    session.end({ reason: "completed" });
  }

  const harness: Harness = {
    ...agent.harness,
    async start(host, options) {
      const session = (await agent.harness.start(host, options)) as ScriptedSession;
      session.onPrompt = () => {
        const what = session.prompts.length === 1 ? play(session) : Promise.resolve(session.end({ reason: "completed" }));
        void what.catch((error: unknown) => session.end({ reason: "failed", error: { code: "played_badly", message: String(error) } }));
      };
      return session;
    },
  };

  return {
    harnesses: { opencode: { harness, tools: [] } },
    async untilAsked(server, title = "Mend the discount") {
      const call = async <Body>(method: string, path: string, body?: object): Promise<Body> => {
        const answer = await server.call(method, path, { token: server.owner, ...(body === undefined ? {} : { body }) });
        if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return answer.body as Body;
      };
      const sample = await call<{ repository_url: string }>("POST", "/v1/samples", {});
      const { id } = await call<SessionView>("POST", "/v1/sessions", {
        source: { type: "repository", url: sample.repository_url },
        title,
        prompt: "The tests of this project fail. Find out why, mend it, and push.",
      });
      sh = async (script) => {
        const sandbox = server.server.sessions.sandboxOf("ws_dev", id);
        if (sandbox === null) throw new Error("the sandbox is gone");
        const { stdout } = await sandbox.exec({ argv: ["/bin/sh", "-c", script], timeoutMs: PATIENCE_MS });
        return stdout.toString();
      };
      return vi.waitFor(
        async () => {
          const seen = await call<SessionView>("GET", `/v1/sessions/${id}`);
          if (seen.pending_approvals !== 1) throw new Error(`it is ${seen.status} (${seen.status_reason}) and has asked nothing`);
          return seen;
        },
        { timeout: PATIENCE_MS, interval: 100 },
      );
    },
    async untilDone(server, { id }) {
      const get = async (path: string) => (await server.call("GET", path, { token: server.owner })).body;
      const [asked] = (await get(`/v1/approvals?session_id=${id}&status=open`)).items as { id: string }[];
      await server.call("POST", `/v1/approvals/${asked!.id}/decide`, { token: server.owner, body: { decision: "approve" } });
      return vi.waitFor(
        async () => {
          const seen = (await get(`/v1/sessions/${id}`)) as SessionView;
          if (seen.outcome !== "succeeded") throw new Error(`it is ${seen.status} (${seen.status_reason}), ${seen.outcome}`);
          return seen;
        },
        { timeout: PATIENCE_MS, interval: 100 },
      );
    },
  };
}
