/** Where the names of lines stand above a panel: in rows, so that none is cut off where it is narrow. */

/** Widths of a letter of a title and of a name, and of the mark with its spaces; a little more than they take. */
const TITLE_PX = 7.4;
const LETTER_PX = 6.6;
const MARK_PX = 24;

export interface Placed {
  /** Which name. */
  index: number;
  /** From the left of the legend, in CSS pixels. */
  left: number;
  row: number;
}

/** Returns the place of each name: beside the title while there is room, then below it. */
export function placeNames(title: string, names: string[], width: number): Placed[] {
  let [left, row] = [title.length * TITLE_PX + MARK_PX / 2, 0];
  return names.map((name, index) => {
    const wide = name.length * LETTER_PX + MARK_PX;
    if (left > 0 && left + wide > width) [left, row] = [0, row + 1];
    const placed = { index, left, row };
    left += wide;
    return placed;
  });
}
