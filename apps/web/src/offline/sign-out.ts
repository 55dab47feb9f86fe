/* Leaves: the cookie ends, and nothing of what was seen stays in this browser. */
import { logout } from "@signalbox/contract/identity";
import { toast } from "@signalbox/ui/toasts";
import { client, queries } from "../data/api.ts";
import { forgetRecent } from "../palette/recent.ts";
import { unsubscribeHere } from "../push/subscription.ts";
import { forget } from "./last-known.ts";

export async function signOut(): Promise<void> {
  await unsubscribeHere();
  try {
    await client.call(logout, { body: {} });
  } catch (error) {
    toast(`You are still signed in: ${error instanceof Error ? error.message : "the server does not answer"}`, "danger");
    return;
  }
  await leaveNothing();
}

/** Once the cookie is over: nothing that was seen stays, and the sign-in page is next. */
export async function leaveNothing(): Promise<void> {
  queries.clear();
  await forget();
  forgetRecent();
  window.location.assign("/login");
}
