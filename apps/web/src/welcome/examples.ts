/* First tasks that suit where an agent works and who answers. Pure. */

export interface Example {
  readonly label: string;
  readonly prompt: string;
}

/** The task that the sample was made for; the demo plays no other. */
const SAMPLE: Example = {
  label: "Mend the failing test",
  prompt:
    "The tests of this project fail. Reproduce the failure, find the cause, fix it, run the tests again, commit, and push your branch.",
};
const REPOSITORY: readonly Example[] = [
  {
    label: "Explain the code",
    prompt: "Read this repository and explain to someone new what it does, how it is built, and where to begin. Change nothing.",
  },
  {
    label: "Mend what fails",
    prompt: "Run the tests. If any fails, find out why, fix the code rather than the test, and run them again. Say what was wrong.",
  },
  {
    label: "Write a missing test",
    prompt: "Find the most important behaviour that no test covers, write one test for it in the style of the others, and run it.",
  },
  {
    label: "Review the last commit",
    prompt: "Review the last commit: what it changes, what could break, what you would ask its author. Change nothing.",
  },
];
const SCRATCH: readonly Example[] = [
  {
    label: "A small web page",
    prompt: "Make a single HTML page with a clock that shows three time zones, and serve it on port 8000 so that I can look at it.",
  },
  {
    label: "A command-line tool",
    prompt: "Write a small Node.js command that counts the words of a text file by frequency, with a test, and run the test.",
  },
];

export function examplesFor(of: { source: "repository" | "scratch"; url: string; isDemo: boolean }): readonly Example[] {
  if (of.source === "scratch") return of.isDemo ? [] : SCRATCH;
  const isSample = /[/\\]samples[/\\]/.test(of.url);
  if (of.isDemo) return isSample ? [SAMPLE] : [];
  return isSample ? [SAMPLE, ...REPOSITORY.slice(0, 1)] : REPOSITORY;
}
