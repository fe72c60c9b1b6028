// The time range is in the URL, so that Back undoes a zoom and a link shows
// the same.

// zoomTo shows the seconds from start to end.
export function zoomTo(start, end) {
  if (end < start) [start, end] = [end, start];
  if (end - start < 10) {
    const middle = (start + end) / 2;
    start = middle - 5;
    end = middle + 5;
  }
  const url = new URL(location.href);
  url.searchParams.set("from", Math.floor(start));
  url.searchParams.set("to", Math.ceil(end));
  url.searchParams.delete("page");
  location.assign(url);
}
