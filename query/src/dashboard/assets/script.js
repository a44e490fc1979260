// What a page can do beyond being read: today's totals as they change, and the bars of the trend one by one. Without
// this script everything is there all the same, as of when the page was loaded.
"use strict";

// While events come in, the rest of the page is asked for again at most this often.
const REFRESH_INTERVAL_MS = 5000;

// A browser gives up a stream that was answered with an error, as by a proxy in front of a query that restarts: it is asked
// for again after this and up to as much more, so that pages do not come all at once.
const RETRY_PAUSE_MS = 5000;

// Browsers open six connections to a host over HTTP/1.1, for all tabs together: a page that is hidden holds none.
let refreshed = performance.now();
let timer = null;
let refreshing = null;
let isStale = false;
let retry = null;
let leave = () => {};
follow();
document.addEventListener("visibilitychange", () => (document.hidden ? release() : take()));
addEventListener("pagehide", release);
addEventListener("pageshow", (event) => event.persisted && take());
document.addEventListener("pointerover", (event) => point(event.target));
document.addEventListener("pointerout", (event) => event.target.closest?.("[data-chart]") && clear());
document.addEventListener("keydown", step);
quieten(document);

// Gives up what holds a connection. What was asked for and did not come is asked for again when the page is shown.
function release() {
  leave();
  leave = () => {};
  isStale = isStale || timer !== null || refreshing !== null;
  clearTimeout(timer);
  clearTimeout(retry);
  timer = null;
  refreshing?.abort();
}

// Follows again, and makes up for what the page has missed.
function take() {
  if (document.hidden || !document.querySelector("[data-live]")) return;
  release();
  follow();
  if (isStale || document.querySelector("[data-current]")) refreshSoon();
}

// Today's totals are pushed. A connection that breaks is made again by the browser, one that was refused by this page.
function follow() {
  const card = document.querySelector("[data-live]");
  if (!card || document.hidden) return;
  const source = new EventSource(card.dataset.live);
  const state = card.querySelector("[data-live-state]");
  const say = (text, isOn) => {
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("on", isOn);
  };
  source.onopen = () => say("live", true);
  source.onerror = () => {
    const isRefused = source.readyState === EventSource.CLOSED;
    say(isRefused ? "not live" : "reconnecting", false);
    if (!isRefused) return;
    leave = () => {};
    isStale = true;
    retry = setTimeout(take, RETRY_PAUSE_MS * (1 + Math.random()));
  };
  source.addEventListener("totals", (message) => {
    const totals = JSON.parse(message.data);
    const hasViews = put(card.querySelector("[data-live-views]"), totals.total_views);
    const hasUsers = put(card.querySelector("[data-live-users]"), totals.unique_users);
    if (hasViews || hasUsers) changed(card);
  });
  leave = () => {
    source.close();
    say("paused", false);
  };
}

// Whether the number is another one.
function put(place, number) {
  const text = number.toLocaleString("en-US");
  if (place.textContent === text) return false;
  place.textContent = text;
  return true;
}

function changed(card) {
  card.classList.remove("changed");
  void card.offsetWidth; // Otherwise both changes of the class would be one, and nothing would move.
  card.classList.add("changed");
  if (document.querySelector("[data-current]")) refreshSoon();
}

function refreshSoon() {
  if (timer !== null || refreshing) return;
  timer = setTimeout(refresh, Math.max(0, refreshed + REFRESH_INTERVAL_MS - performance.now()));
}

async function refresh() {
  const asking = (refreshing = new AbortController());
  timer = null;
  isStale = false;
  try {
    const answer = await fetch(location.href, { signal: asking.signal });
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The next event brings another attempt, and so does showing the page again.
    isStale = true;
  } finally {
    refreshed = performance.now();
    if (refreshing === asking) refreshing = null;
  }
}

// Part by part, except the parts in use.
function replace(page) {
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.querySelector(`[data-fresh="${old.dataset.fresh}"]`);
    if (!fresh || old.contains(document.activeElement) || old.matches(":hover")) continue;
    const details = old.querySelector("details");
    if (details?.open) fresh.querySelector("details").open = true;
    quieten(fresh);
    old.replaceWith(document.adoptNode(fresh));
  }
}

// Bars have titles, which browsers show after a while. Here they are shown at once, in a balloon of our own.
function quieten(root) {
  for (const bucket of root.querySelectorAll(".bucket")) {
    const title = bucket.querySelector("title");
    bucket.dataset.says = title.textContent;
    title.remove();
  }
}

function point(target) {
  const bucket = target.closest?.(".bucket");
  if (bucket) show(bucket);
}

// Arrow keys read the bars of the chart that has the focus.
function step(event) {
  const chart = event.target.closest?.("[data-chart]");
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!chart || !direction) return;
  event.preventDefault();
  const buckets = [...chart.querySelectorAll(".bucket")];
  const read = buckets.findIndex((bucket) => bucket.classList.contains("read"));
  const start = direction > 0 ? -1 : buckets.length;
  const next = Math.min(Math.max((read < 0 ? start : read) + direction, 0), buckets.length - 1);
  show(buckets[next]);
  chart.parentElement.querySelector("[data-readout]").textContent = buckets[next].dataset.says;
}

function show(bucket) {
  clear();
  bucket.classList.add("read");
  const chart = bucket.closest("[data-chart]");
  const balloon = document.createElement("div");
  balloon.className = "balloon";
  balloon.setAttribute("aria-hidden", "true");
  balloon.textContent = bucket.dataset.says;
  chart.append(balloon);
  const [bar, frame] = [bucket.getBoundingClientRect(), chart.getBoundingClientRect()];
  const middle = bar.left + bar.width / 2 - frame.left - balloon.offsetWidth / 2;
  balloon.style.left = `${Math.min(Math.max(middle, 0), frame.width - balloon.offsetWidth)}px`;
}

function clear() {
  document.querySelector(".bucket.read")?.classList.remove("read");
  document.querySelector(".balloon")?.remove();
  const readout = document.querySelector("[data-readout]");
  if (readout) readout.textContent = "";
}
