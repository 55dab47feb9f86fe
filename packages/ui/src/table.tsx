/*
 * Rows with named columns. On a phone each row is a card of names and values; the roles are written out,
 * because a table whose display is changed stops being one for a screen reader.
 */
import { ArrowDown, ArrowUp, ChevronsUpDown } from "lucide-react";
import type { ReactNode } from "react";
import { LoadMore } from "./load-more.tsx";
import { Skeleton } from "./placeholder.tsx";
import { Trouble } from "./trouble.tsx";

export interface Column<Row> {
  readonly key: string;
  readonly header: string;
  cell(row: Row): ReactNode;
  readonly sortable?: boolean;
  readonly align?: "start" | "end";
  /** The name of the row: its heading on a phone. One column at most. */
  readonly isName?: boolean;
  readonly className?: string;
}
export interface Sort {
  readonly key: string;
  readonly direction: "ascending" | "descending";
}

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  /** Undefined while it is being read. */
  rows: readonly Row[] | undefined;
  rowKey(row: Row): string;
  empty: ReactNode;
  error?: Error | null;
  onRetry?(): void;
  sort?: Sort;
  onSort?(sort: Sort): void;
  more?: { hasMore: boolean; isLoading: boolean; onMore(): void; label?: string };
  isSelected?(row: Row): boolean;
}

/** A table with sortable headers and a keyset "more"; cards on a phone. */
export function Table<Row>({
  caption,
  columns,
  rows,
  rowKey,
  empty,
  error = null,
  onRetry,
  sort,
  onSort,
  more,
  isSelected,
}: TableProps<Row>) {
  if (rows === undefined) return error === null ? <Skeleton rows={5} className="h-10" /> : <Trouble error={error} onRetry={onRetry} />;
  return (
    <>
      {error !== null && <Trouble error={error} onRetry={onRetry} className="mb-3" />}
      {rows.length === 0 ? (
        empty
      ) : (
        <div className="overflow-x-auto rounded-lg border border-line bg-panel narrow:overflow-visible narrow:border-0 narrow:bg-transparent">
          <table role="table" className="w-full border-collapse text-left text-sm narrow:block">
            <caption className="sr-only">{caption}</caption>
            <thead role="rowgroup" className="narrow:sr-only">
              <tr role="row" className="border-b border-line">
                {columns.map((column) => (
                  <Header key={column.key} column={column} sort={sort} onSort={onSort} />
                ))}
              </tr>
            </thead>
            <tbody role="rowgroup" className="narrow:block narrow:space-y-3">
              {rows.map((row) => (
                <tr
                  key={rowKey(row)}
                  role="row"
                  aria-selected={isSelected?.(row) || undefined}
                  className="border-b border-line last:border-0 hover:bg-raised aria-selected:bg-raised narrow:block narrow:rounded-lg narrow:border narrow:bg-panel narrow:px-4 narrow:py-3 narrow:last:border"
                >
                  {columns.map(({ key, header, cell, align, isName = false, className = "" }) => (
                    <td
                      key={key}
                      role={isName ? "rowheader" : "cell"}
                      className={`px-4 py-2.5 align-top narrow:flex narrow:justify-between narrow:gap-4 narrow:px-0 narrow:py-1 ${align === "end" ? "text-right tabular-nums" : ""} ${isName ? "wrap-anywhere font-medium narrow:pb-2 narrow:text-base" : "wrap-break-word"} ${className}`}
                    >
                      {!isName && (
                        <span aria-hidden className="hidden shrink-0 text-ink-3 narrow:inline">
                          {header}
                        </span>
                      )}
                      <span className={`min-w-0 ${isName ? "" : "narrow:text-right"}`}>{cell(row)}</span>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more !== undefined && <LoadMore {...more} />}
    </>
  );
}

function Header<Row>({
  column,
  sort,
  onSort,
}: {
  column: Column<Row>;
  sort: Sort | undefined;
  onSort: ((sort: Sort) => void) | undefined;
}) {
  const direction = sort?.key === column.key ? sort.direction : undefined;
  const isSortable = column.sortable === true && onSort !== undefined;
  const Icon = direction === undefined ? ChevronsUpDown : direction === "ascending" ? ArrowUp : ArrowDown;
  return (
    <th
      role="columnheader"
      scope="col"
      aria-sort={isSortable ? (direction ?? "none") : undefined}
      className={`plate px-4 py-2 whitespace-nowrap ${column.align === "end" ? "text-right" : ""}`}
    >
      {isSortable ? (
        <button
          type="button"
          className="inline-flex min-h-6 items-center gap-1 rounded-sm uppercase hover:text-ink"
          onClick={() => onSort({ key: column.key, direction: direction === "descending" ? "ascending" : "descending" })}
        >
          {column.header}
          <Icon size={12} aria-hidden />
        </button>
      ) : (
        column.header
      )}
    </th>
  );
}
