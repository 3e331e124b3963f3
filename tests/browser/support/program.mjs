// The command line, against the node that asks.
import { execFile } from "node:child_process";

import { settings } from "./settings.mjs";

/** Runs `tacit` with these words at the gateway: the exit code and what was said. */
export function onCommandLine(...words) {
  // What these tests are told by their environment is no configuration of a node.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TACIT_")));
  const all = [...words, "--config", settings.procurement, "--json"];
  return new Promise((resolve) => {
    execFile(settings.program, all, { env }, (error, out, err) => resolve({ code: error?.code ?? 0, said: out + err }));
  });
}
