/** The parcels that are in view, as a table. */
import type { Feature } from "geojson";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { hectares } from "../app/words";
import { CROP_OPACITY, cropColour, cropStep } from "../map/palette";
import { texts } from "../texts";
import type { Parcel } from "../api/parcels";

/** Rows of the table. */
export const LISTED_MAX = 200;

/** The column that has a number. */
const AREA = 2;

interface Props {
  /** Undefined while they are on their way. */
  features?: Feature<Parcel["geometry"], Parcel["properties"]>[];
  /** Most parcels that were asked for: where so many came there are more. */
  most: number;
  chosen: string | null;
  theme: Theme;
}

export function ParcelList({ features, most, chosen, theme }: Props) {
  return (
    <div class="results">
      <div class="results-head">
        <h2><span role="status">{features ? said(features.length, most) : texts.loading}</span></h2>
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label={texts.parcels.list}>
        <table>
          <thead>
            <tr>{texts.parcels.columns.map((name, column) => <th key={name} scope="col" class={column === AREA ? "num" : undefined}>{name}</th>)}</tr>
          </thead>
          <tbody>
            {(features ?? []).slice(0, LISTED_MAX).map(({ id, properties }) => (
              <tr key={String(id)} class={String(id) === chosen ? "selected" : ""} onClick={() => change({ id: String(id), t: null })}>
                <td><button type="button" class="link">{String(id)}</button></td>
                <td><Crop code={properties.crop_code} name={properties.crop_name ?? properties.crop_code} theme={theme} /></td>
                <td class="num">{hectares(properties.area_m2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** A crop with its colour on the map. */
function Crop({ code, name, theme }: { code?: string | null; name?: string | null; theme: Theme }) {
  if (!name) return null;
  return (
    <>
      <span class="crop" style={{ background: cropColour(cropStep(code), theme), opacity: CROP_OPACITY }} /> {name}
    </>
  );
}

function said(count: number, most: number): string {
  return count >= most ? texts.parcels.tooMany(most) : texts.parcels.inView(count);
}
