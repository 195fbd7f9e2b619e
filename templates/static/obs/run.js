// Follow a verification run: ask each second how far it is, show it, load the page again at its end.
"use strict";
(() => {
    const run = document.getElementById("run");
    if (!run) return;
    const bar = document.getElementById("run-bar");
    const said = document.getElementById("run-said");
    const figures = new Intl.NumberFormat("en-GB");
    let lastSaid = -1;

    function duration(seconds) {
        if (seconds < 120) return `${Math.ceil(seconds)} s`;
        return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
    }

    function put(id, text) {
        const element = document.getElementById(id);
        if (element && element.textContent !== text) element.textContent = text;
    }

    function show(reach) {
        if (reach.percent !== null) {
            bar.value = reach.percent;
            put("run-percent", `${reach.percent} %`);
        }
        if (reach.stage !== undefined) put("run-stage", reach.stage);
        put("run-checked", figures.format(reach.checked));
        const rate = reach.rate ? `${figures.format(reach.rate)} a second` : "";
        put("run-rate", rate + (reach.left === null ? "" : `, ${duration(reach.left)} left`));
        // Told aloud at each tenth, not each second.
        const tenth = reach.percent === null ? -1 : Math.floor(reach.percent / 10);
        if (tenth > lastSaid) {
            lastSaid = tenth;
            said.textContent = `${tenth * 10} % of the run is done.`;
        }
    }

    async function ask() {
        const answer = await fetch(run.dataset.progress, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10000) });
        if (answer.redirected) throw new Error("you are logged out");
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        return answer.json();
    }

    async function follow() {
        try {
            const reach = await ask();
            if (reach.word !== run.dataset.word) {
                window.location.reload();
                return;
            }
            show(reach);
        } catch (error) {
            said.textContent = `No news of the run: ${error.message}. Trying again.`;
        }
        setTimeout(follow, 1000);
    }

    setTimeout(follow, 1000);
})();
