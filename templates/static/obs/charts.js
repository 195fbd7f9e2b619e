// Draw the charts of a page with the theme's Chart.js, and fill the table behind each when it is
// opened. The figures stand in data-chart; nothing is asked of the server. Values are said as
// metrics/operations/units.py says them. A point or a bar leads to its entries.
"use strict";
(() => {
    const LIGHT = ["#0b6e69", "#b45309", "#4338ca", "#be185d", "#4d7c0f", "#0369a1", "#7c2d12", "#52525b"];
    const DARK = ["#2dd4bf", "#fbbf24", "#a5b4fc", "#f9a8d4", "#bef264", "#7dd3fc", "#fdba74", "#d4d4d8"];
    const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4], [1, 3], [10, 2, 2, 2]];
    const charts = new Map();
    const isDark = () => document.documentElement.classList.contains("dark");
    const palette = () => (isDark() ? DARK : LIGHT);

    // --- Values in words -----------------------------------------------------------------------

    function number(value) {
        if (value === 0) return "0";
        const size = Math.abs(value);
        const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : -1;
        if (places < 0) return String(Number(value.toPrecision(3)));
        return value.toLocaleString("en-US", { maximumFractionDigits: places });
    }

    function duration(seconds) {
        const size = Math.abs(seconds);
        if (size > 0 && size < 1) return `${number(seconds * 1000)} ms`;
        if (size < 120) return `${number(seconds)} s`;
        if (size < 7200) return `${number(seconds / 60)} min`;
        if (size < 172800) return `${number(seconds / 3600)} h`;
        return `${number(seconds / 86400)} d`;
    }

    function bytes(size) {
        for (const unit of ["B", "kB", "MB", "GB"]) {
            if (Math.abs(size) < 1000) return `${number(size)} ${unit}`;
            size /= 1000;
        }
        return `${number(size)} TB`;
    }

    function dollars(usd) {
        if (Math.abs(usd) > 0 && Math.abs(usd) < 0.01) return `$${Number(usd.toPrecision(2))}`;
        return `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
    }

    const SUFFIXES = { per_minute: "/min", per_hour: "/h", per_second: "/s", bytes_per_second: "/s", cores: " cores" };

    function said(value, unit) {
        if (value === null || value === undefined) return "none";
        if (unit === "ratio") return `${number(value * 100)} %`;
        if (unit === "seconds") return duration(value);
        if (unit === "usd") return dollars(value);
        if (unit === "bytes" || unit === "bytes_per_second") return bytes(value) + (SUFFIXES[unit] || "");
        return number(value) + (SUFFIXES[unit] || "");
    }

    // --- Times and ways ------------------------------------------------------------------------

    function zone() {
        const shown = document.querySelector("[data-zone-short]");
        return shown && shown.textContent === "UTC" ? "UTC" : undefined;
    }

    function moment(data, place) {
        if (data.step >= 86400) {  // UTC days, whatever zone is shown
            return new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", timeZone: "UTC" }).format(new Date((data.start + place * data.step) * 1000));
        }
        const long = data.step * data.places > 2 * 86400;
        const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone() };
        if (long) Object.assign(parts, { day: "2-digit", month: "short" });
        return new Intl.DateTimeFormat("en-GB", parts).format(new Date((data.start + place * data.step) * 1000)).replace(",", "");
    }

    const utc = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19) + "Z";

    function way(data, series, place) {
        if (!data.entries) return "";
        const query = new URLSearchParams(series.query);
        const from = place === undefined ? data.start : data.start + place * data.step;
        const to = place === undefined ? data.start + data.places * data.step : from + data.step;
        query.set("from", utc(from));
        query.set("to", utc(to));
        return `${data.entries}?${query}`;
    }

    // --- Drawing -------------------------------------------------------------------------------

    // A name at the end of each line, moved apart where two would stand on each other.
    const names = {
        id: "names",
        afterDatasetsDraw(chart) {
            if (!chart.options.plugins.names.on) return;
            const { ctx, chartArea } = chart;
            const ends = chart.data.datasets.map((one, index) => {
                const points = chart.getDatasetMeta(index).data;
                let last = one.data.length - 1;
                while (last >= 0 && one.data[last] === null) last -= 1;
                return last < 0 ? null : { y: points[last].y, name: one.label, colour: one.borderColor };
            }).filter(Boolean).sort((a, b) => a.y - b.y);
            let free = chartArea.top;
            ctx.save();
            ctx.font = "11px sans-serif";
            ctx.textBaseline = "middle";
            for (const end of ends) {
                const y = Math.max(end.y, free);
                free = y + 13;
                if (y > chartArea.bottom + 6) continue;
                ctx.fillStyle = end.colour;
                ctx.fillText(short(end.name), chartArea.right + 6, y);
            }
            ctx.restore();
        },
    };

    const short = (name, most = 16) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);

    function options(data, figure) {
        const style = getComputedStyle(document.body);
        const text = style.getPropertyValue("--obs-quiet").trim() || "#64748b";
        const grid = isDark() ? "rgba(148,163,184,.18)" : "rgba(100,116,139,.18)";
        const isBar = data.kind === "bar";
        const hasNames = !isBar && data.series.length > 1 && figure.clientWidth > 420;
        const value = {
            beginAtZero: true,
            stacked: data.stacked,
            max: data.most,
            grid: { color: grid },
            ticks: { color: text, maxTicksLimit: 5, callback: (tick) => said(tick, data.unit) },
        };
        const other = { stacked: data.stacked, grid: { display: false }, ticks: { color: text, maxRotation: 0, autoSkipPadding: 16 } };
        if (data.unit === "ratio" && !data.stacked && data.most === undefined) value.suggestedMax = isBar ? 1 : undefined;
        if (isBar) Object.assign(other.ticks, { autoSkip: false, callback(tick) { return short(this.getLabelForValue(tick), figure.clientWidth > 420 ? 28 : 16); } });
        return {
            indexAxis: isBar ? "y" : "x",
            animation: false,
            responsive: true,
            maintainAspectRatio: false,
            interaction: { mode: "nearest", axis: isBar ? "y" : "x", intersect: false },
            layout: { padding: { right: hasNames ? 104 : 8, top: 4 } },
            scales: isBar ? { x: value, y: other } : { x: other, y: value },
            plugins: {
                legend: { display: false },
                names: { on: hasNames },
                tooltip: {
                    callbacks: {
                        label: (item) => `${item.dataset.label}: ${said(isBar ? item.parsed.x : item.parsed.y, data.unit)}`,
                    },
                },
            },
            onClick(event, elements) {
                const [found] = elements;
                if (!found) return;
                const address = isBar ? way(data, data.series[found.index]) : way(data, data.series[found.datasetIndex], found.index);
                if (address) window.location.href = address;
            },
        };
    }

    // A value without neighbours has no line to lie on: without a dot nobody would see it.
    const stands = (values, place) => [place - 1, place + 1].every((each) => (values[each] ?? null) === null);

    function datasets(data) {
        const colours = palette();
        if (data.kind === "bar") {
            return [{ label: data.title, data: data.series.map((one) => one.whole), backgroundColor: colours[0], borderColor: colours[0], maxBarThickness: 18 }];
        }
        return data.series.map((one, index) => ({
            label: one.name,
            data: one.values,
            borderColor: colours[index % colours.length],
            backgroundColor: colours[index % colours.length] + (data.stacked ? "66" : "22"),
            borderDash: data.stacked ? [] : DASHES[index % DASHES.length],
            borderWidth: 2,
            fill: data.stacked ? (index ? "-1" : "origin") : false,
            pointRadius: one.values.map((_, place) => (stands(one.values, place) ? 3 : 0)),
            pointHitRadius: 12,
            spanGaps: false,
            tension: 0,
        }));
    }

    function draw(figure) {
        const data = charts.get(figure) || JSON.parse(figure.dataset.chart);
        charts.set(figure, data);
        if (figure.drawn) figure.drawn.destroy();
        if (data.kind === "bar") figure.querySelector(".obs-canvas").style.height = `${Math.max(80, 40 + data.series.length * 24)}px`;
        figure.drawn = new window.Chart(figure.querySelector("canvas"), {
            type: data.kind,
            data: {
                labels: data.kind === "bar" ? data.series.map((one) => one.name) : Array.from({ length: data.places }, (_, place) => moment(data, place)),
                datasets: datasets(data),
            },
            options: options(data, figure),
            plugins: [names],
        });
        keys(figure, data);
    }

    function keys(figure, data) {
        const place = figure.querySelector("[data-chart-keys]");
        if (data.kind === "bar") return;
        const colours = palette();
        place.replaceChildren(...data.series.map((one, index) => {
            const key = document.createElement("span");
            const line = document.createElement("i");
            const name = document.createElement("bdi");
            const whole = document.createElement("b");
            line.style.color = colours[index % colours.length];
            if (!data.stacked && index) line.style.borderTopStyle = index % 2 ? "dashed" : "dotted";
            name.textContent = one.name;
            whole.textContent = said(one.whole, data.unit);
            key.append(line, name, whole);
            return key;
        }));
    }

    // --- The table behind ----------------------------------------------------------------------

    function cell(tag, content, label, isRight) {
        const made = document.createElement(tag);
        if (tag === "th") made.scope = "col";
        if (label) made.dataset.label = label;
        if (isRight) made.className = "obs-right";
        if (typeof content === "string") {
            const text = document.createElement("span");
            text.className = "obs-number";
            text.textContent = content;
            made.append(text);
        } else made.append(content);
        return made;
    }

    function linked(content, address) {
        if (!address) return content;
        const link = document.createElement("a");
        link.className = "obs-link";
        link.href = address;
        link.append(content);
        return link;
    }

    function time(seconds) {
        const made = document.createElement("time");
        made.className = "obs-time";
        made.dateTime = new Date(seconds * 1000).toISOString();
        made.dataset.when = "short";
        made.textContent = made.dateTime;
        return made;
    }

    function rows(data) {
        if (data.kind === "bar") {
            return data.series.map((one) => {
                const row = document.createElement("tr");
                const name = document.createElement("bdi");
                name.textContent = one.name;
                row.append(cell("td", linked(name, way(data, one)), "What"), cell("td", said(one.whole, data.unit), "Value", true));
                return row;
            });
        }
        return Array.from({ length: data.places }, (_, back) => data.places - 1 - back).map((place) => {
            const row = document.createElement("tr");
            row.append(cell("td", time(data.start + place * data.step), "Since"));
            for (const one of data.series) {
                const value = one.values[place];
                const content = document.createElement("span");
                content.className = "obs-number";
                content.textContent = said(value, data.unit);
                row.append(cell("td", linked(content, value ? way(data, one, place) : ""), one.name, true));
            }
            return row;
        });
    }

    function table(figure, place) {
        if (place.childElementCount) return;
        const data = charts.get(figure);
        const made = document.createElement("table");
        const head = document.createElement("tr");
        made.className = "obs-table";
        head.append(cell("th", data.kind === "bar" ? "What" : "Since"));
        for (const name of data.kind === "bar" ? ["Value"] : data.series.map((one) => one.name)) head.append(cell("th", name, "", true));
        made.createTHead().append(head);
        made.createTBody().append(...rows(data));
        place.tabIndex = 0;
        place.setAttribute("role", "region");
        place.setAttribute("aria-label", data.title);
        place.append(made);
        window.obsShowTimes(made);
    }

    // Two that stand beside each other have one scale, or the eye compares nothing.
    function pair() {
        for (const place of document.querySelectorAll("[data-chart-pairs]")) {
            for (const card of place.querySelectorAll("[id^='a-']")) {
                const other = document.getElementById(`b-${card.id.slice(2)}`);
                const both = [card, other].map((one) => one && one.querySelector("[data-chart]")).filter(Boolean);
                if (both.length < 2) continue;
                const read = both.map((figure) => JSON.parse(figure.dataset.chart));
                const most = Math.max(...read.map(top));
                read.forEach((data, index) => { data.most = most || undefined; charts.set(both[index], data); });
            }
        }
    }

    function top(data) {
        if (data.kind === "bar") return Math.max(0, ...data.series.map((one) => one.whole || 0));
        const at = (place) => data.series.map((one) => one.values[place] || 0);
        const tops = Array.from({ length: data.places }, (_, place) => data.stacked ? at(place).reduce((a, b) => a + b, 0) : Math.max(0, ...at(place)));
        return Math.max(0, ...tops);
    }

    const figures = () => document.querySelectorAll("[data-chart]");
    const drawAll = () => figures().forEach(draw);

    document.addEventListener("DOMContentLoaded", () => {
        pair();
        drawAll();
        for (const details of document.querySelectorAll("[data-chart-table]")) {
            const figure = details.closest("section").querySelector("[data-chart]");
            const place = details.querySelector("[data-chart-place]");
            details.addEventListener("toggle", () => { if (details.open) table(figure, place); });
        }
        new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
        for (const button of document.querySelectorAll("[data-zone-switch]")) button.addEventListener("click", () => setTimeout(drawAll, 0));
    });
    window.addEventListener("beforeprint", () => figures().forEach((figure) => figure.drawn && figure.drawn.resize()));
})();
