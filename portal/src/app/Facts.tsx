/** What is known of something, name by name: an item's properties, a parcel's attributes. */

interface Props {
  facts: Record<string, unknown>;
  /** Names that are said elsewhere. */
  except: Set<string>;
}

export function Facts({ facts, except }: Props) {
  // Lists and objects are for programs.
  const said = Object.entries(facts).filter(([name, value]) => !except.has(name) && value != null && value !== "" && typeof value !== "object");
  return (
    <dl>
      {said.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{String(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
