/** Which Node can run the program. Imports nothing: it is read by those that cannot. */

const OLDEST = [22, 14] as const;

/** What to say to a Node of this version, or null when it will do. */
export function runtimeFault(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return null;
  return (
    `expected Node ${OLDEST.join(".")} or later, received Node ${version}: install a newer one, ` +
    "or in the source folder use `npm start` or `node_modules/.bin/node`, which bring their own"
  );
}
