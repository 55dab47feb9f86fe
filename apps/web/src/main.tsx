import "./data/jitless.ts";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./data/api.ts";
import { followVersions } from "./offline/new-version.ts";
import { followVisits } from "./palette/recent.ts";
import { followWorker } from "./push/worker.ts";
import { router } from "./router.tsx";
import "@signalbox/ui/styles/index.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
followVersions(router);
followVisits(router);
followWorker(router);
