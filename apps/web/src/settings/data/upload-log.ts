/* Sends a log to be imported. Not by fetch: that does not tell how much of a file has gone. */
import { ApiError } from "@signalbox/client/client";
import { ErrorBody } from "@signalbox/contract/error";
import { importLog, type ImportView } from "@signalbox/contract/imports";

export interface Sending {
  readonly done: Promise<ImportView>;
  cancel(): void;
}

/** `onProgress` gets the share that was sent; 1 while the server verifies. */
export function uploadLog(file: File, onProgress: (share: number) => void): Sending {
  const request = new XMLHttpRequest();
  const done = new Promise<ImportView>((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total === 0 ? 1 : loaded / total));
    request.upload.addEventListener("load", () => onProgress(1));
    request.addEventListener("error", () =>
      reject(
        new ApiError({ status: 0, code: "unreachable", message: "The connection was lost while the file was sent.", fix: "Try again." }),
      ),
    );
    request.addEventListener("abort", () => reject(new DOMException("Canceled", "AbortError")));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as ImportView);
      else reject(refusalOf(request));
    });
    request.open(importLog.method, importLog.path);
    request.setRequestHeader("content-type", importLog.upload);
    request.setRequestHeader("accept", "application/json");
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

function refusalOf({ status, responseText }: XMLHttpRequest): ApiError {
  const said = ErrorBody.safeParse(parsed(responseText));
  if (!said.success) return new ApiError({ status, code: "invalid_answer", message: `The server answered ${status} without saying why.` });
  const { code, message, fix, details, request_id: requestId } = said.data.error;
  return new ApiError({ status, code, message, fix, details, requestId });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON: the caller says that no reason was given.
  }
}
