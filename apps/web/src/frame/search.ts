/* What an address may say after the `?`: what is not meant for a page is left out of it, and nothing here can fail. */

type Search = Record<string, unknown>;
type Reader<Value> = (value: unknown) => Value | undefined;
type Readers = Record<string, Reader<unknown>>;
type Read<Of extends Readers> = { [Name in keyof Of]?: (Of[Name] extends Reader<infer Value> ? Value : never) | undefined };

/** The router reads `?q=12` as a number; what a person typed is text. */
export const text: Reader<string> = (value) =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;

export const whole: Reader<number> = (value) => {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
};

export const flag: Reader<true> = (value) => (value === true || value === "true" ? true : undefined);

export const oneOf =
  <const Value extends string>(...values: readonly Value[]): Reader<Value> =>
  (value) =>
    values.find((each) => each === value);

/** A `validateSearch` out of one reader a name. */
export const reading =
  <Of extends Readers>(readers: Of) =>
  (search: Search): Read<Of> =>
    Object.fromEntries(
      Object.entries(readers).flatMap(([name, read]) => {
        const value = read(search[name]);
        return value === undefined ? [] : [[name, value]];
      }),
    ) as Read<Of>;
