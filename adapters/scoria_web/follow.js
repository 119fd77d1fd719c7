// Follows the page without a reload while it is in view: asks every two seconds whether it has
// changed, and takes over what has. Without JavaScript the page is whole and stands still.
(() => {
  const EVERY = 2000;
  let etag = document.querySelector("main").dataset.etag;

  const isInUse = () => {
    const field = document.activeElement;
    const writes = field && field.matches("input, textarea, select") && field.closest("main");
    return writes || !document.getSelection().isCollapsed;
  };

  const takeOver = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    const [old, main] = [document, next].map((each) => each.querySelector("main"));
    const [before, after] = [old, main].map((each) => [...each.querySelectorAll("details")]);
    // Whoever opened something is reading it; where there is more now, places are not the same.
    if (before.length === after.length) {
      before.forEach((each, at) => { after[at].open = each.open; });
    }
    old.replaceWith(main);
    document.title = next.title;
    etag = main.dataset.etag;
  };

  const look = async () => {
    if (document.hidden || isInUse()) return;
    const headers = { "If-None-Match": `"${etag}"` };
    const answer = await fetch(location.href, { headers, cache: "no-store" });
    if (answer.status !== 200) return;
    const text = await answer.text();
    if (isInUse()) return;
    takeOver(text);
  };

  const follow = () => look().catch(() => {}).finally(() => setTimeout(follow, EVERY));
  setTimeout(follow, EVERY);
})();
