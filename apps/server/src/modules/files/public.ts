/* The files of a session's workspace, looked at from outside. Nothing here is written, and nothing is recorded. */
import type { Module } from "../../module.ts";
import type { SessionDoors } from "../sessions/public.ts";
import { fileRoutes } from "./routes.ts";

export function createFiles({ doors }: { readonly doors: SessionDoors }): Module {
  return { routes: fileRoutes(doors), projections: [], schemas: [], jobs: {} };
}
