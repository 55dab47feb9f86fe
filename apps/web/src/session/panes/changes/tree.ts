/* Paths as a tree, flattened to the rows that show: a folder with one folder in it is one row. Pure. */
export type TreeRow<File> =
  | {
      readonly kind: "folder";
      readonly path: string;
      readonly name: string;
      readonly depth: number;
      readonly isOpen: boolean;
      readonly files: number;
    }
  | { readonly kind: "file"; readonly path: string; readonly name: string; readonly depth: number; readonly file: File };

interface Folder<File> {
  readonly folders: Map<string, Folder<File>>;
  readonly files: { readonly name: string; readonly file: File }[];
  count: number;
}

export function treeRows<File extends { readonly path: string }>(files: readonly File[], folded: ReadonlySet<string>): TreeRow<File>[] {
  const make = (): Folder<File> => ({ folders: new Map(), files: [], count: 0 });
  const root = make();
  for (const file of files) {
    const names = file.path.split("/");
    const name = names.pop() ?? file.path;
    let at = root;
    at.count++;
    for (const part of names) {
      const next = at.folders.get(part) ?? make();
      at.folders.set(part, next);
      next.count++;
      at = next;
    }
    at.files.push({ name, file });
  }
  const rows: TreeRow<File>[] = [];
  const walk = (folder: Folder<File>, prefix: string, depth: number): void => {
    for (const [first, child] of folder.folders) {
      let name = first;
      let inner = child;
      while (inner.files.length === 0 && inner.folders.size === 1) {
        const [[next, deeper]] = inner.folders as unknown as [[string, Folder<File>]];
        name += `/${next}`;
        inner = deeper;
      }
      const path = `${prefix}${name}`;
      const isOpen = !folded.has(path);
      rows.push({ kind: "folder", path, name, depth, isOpen, files: inner.count });
      if (isOpen) walk(inner, `${path}/`, depth + 1);
    }
    for (const { name, file } of folder.files) rows.push({ kind: "file", path: file.path, name, depth, file });
  };
  walk(root, "", 0);
  return rows;
}
