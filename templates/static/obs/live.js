// Keep the live parts of a page fresh: ask for them every few seconds and put in what changed.
// Stops while paused or out of sight, says when it last succeeded, and never moves the focus.
"use strict";
(() => {
    const bar = document.querySelector("[data-live-from]");
    if (!bar) return;
    const said = bar.querySelector("[data-live-said]");
    const button = bar.querySelector("[data-live-pause]");
    const every = Number(bar.dataset.liveEvery) * 1000;
    let isPaused = false;
    let isAsking = false;
    let timer = 0;
    let refreshedAt = new Date();

    function clock(date) {
        const time = document.createElement("time");
        time.className = "obs-time";
        time.dateTime = date.toISOString();
        time.dataset.when = "clock";
        time.textContent = time.dateTime;
        return time;
    }

    function tell(before, after) {
        said.replaceChildren(before, clock(refreshedAt), after);
        window.obsShowTimes(said);
    }

    // What a reader opened stays open, and the link under the focus keeps it.
    function put(place, fresh) {
        const opened = [...place.querySelectorAll("details[open] > summary")].map((one) => one.getAttribute("aria-label"));
        const focused = place.contains(document.activeElement) ? document.activeElement : null;
        const href = focused && focused.getAttribute("href");
        const known = new Set([...place.querySelectorAll("a[data-open]")].map((one) => one.getAttribute("href")));
        place.replaceChildren(...fresh.childNodes);
        for (const summary of place.querySelectorAll("summary")) {
            if (opened.includes(summary.getAttribute("aria-label"))) summary.parentElement.open = true;
        }
        for (const link of place.querySelectorAll("a[data-open]")) {
            if (!known.has(link.getAttribute("href"))) link.closest("tr").classList.add("obs-new");
        }
        if (href) {
            const again = [...place.querySelectorAll("a")].find((one) => one.getAttribute("href") === href);
            if (again) again.focus({ preventScroll: true });
        }
        window.obsShowTimes(place);
    }

    const isInUse = (place) => {
        const marked = document.getSelection();
        return marked && !marked.isCollapsed && place.contains(marked.anchorNode);
    };

    async function ask() {
        const answer = await fetch(bar.dataset.liveFrom, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
        if (answer.redirected) throw new Error("you are logged out");
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (isPaused) return;
        for (const part of fresh.querySelectorAll("[data-live-part]")) {
            const place = document.querySelector(`[data-live-part="${part.dataset.livePart}"]`);
            if (place && !isInUse(place)) put(place, part);
        }
        refreshedAt = new Date();
        tell("Refreshed ", "");
    }

    function next() {
        clearTimeout(timer);
        if (!isPaused && !document.hidden) timer = setTimeout(refresh, every);
    }

    async function refresh() {
        if (isAsking) return;
        isAsking = true;
        try {
            await ask();
        } catch (error) {
            const why = error.name === "TimeoutError" || error instanceof TypeError ? "the server does not answer" : error.message;
            tell("Not refreshed since ", `: ${why}`);
        }
        isAsking = false;
        next();
    }

    button.addEventListener("click", () => {
        isPaused = !isPaused;
        button.setAttribute("aria-pressed", String(isPaused));
        button.querySelector("[data-live-word]").textContent = isPaused ? "Go on" : "Pause";
        button.querySelector(".material-symbols-outlined").textContent = isPaused ? "play_arrow" : "pause";
        if (isPaused) {
            clearTimeout(timer);
            tell("Paused; as of ", "");
        } else refresh();
    });
    document.addEventListener("visibilitychange", () => {
        if (document.hidden) clearTimeout(timer);
        else if (!isPaused) refresh();
    });
    next();
})();
