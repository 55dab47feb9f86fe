import type { SessionView } from "@signalbox/contract/sessions";
import { toast } from "@signalbox/ui/toasts";
import { useMutation, type UseMutationResult } from "@tanstack/react-query";
import { putSession } from "../../data/queries.ts";

/** Every lever of a session answers with the session as it then is. */
export function useLever<Input = void>(
  pull: (input: Input) => Promise<SessionView>,
  done?: (session: SessionView) => void,
): UseMutationResult<SessionView, Error, Input> {
  return useMutation({
    mutationFn: pull,
    onSuccess: (session) => {
      putSession(session);
      done?.(session);
    },
    onError: (error) => toast(error.message, "danger"),
  });
}
