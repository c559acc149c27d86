"use strict";
// What happens when a reader clicks: a point shows its combination, a column head sorts, colours follow the theme.
(() => {
  const find = (id) => document.getElementById(id);
  const rows = JSON.parse(find("rows").textContent);
  const names = JSON.parse(find("names").textContent);
  const frontiers = JSON.parse(find("frontiers").textContent);
  let showing = null; // the row in the panel
  let opener = null; // what a reader opened it with
  const picture = find("frontier");
  const charts = () => document.querySelectorAll(".js-plotly-plot");
  const PLAIN = { displayModeBar: false, responsive: true };
  const PALETTE = ["#3d66dc", "#b38300", "#c43d55", "#1f9a86", "#9a529c", "#887aff", "#4490cf", "#7a7000", "#a0613c",
    "#808790", "#e0509a", "#3f9030"]; // picture.py's first
  const FINE = 10000; // as details.py has it
  const PAPER = 660; // pixels across a printed page
  const ON_PAPER = ["#000", "#bbb", "#fff"]; // as the style sheet has them; it is told of paper later than the page is
  let onPaper = false;

  function element(tag, text, kind) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text; // text stays text, whatever a class is called
    if (kind) made.className = kind;
    return made;
  }
  const percent = (value) => (value === null ? "absent" : (100 * value).toFixed(1));
  const unpack = (text) => (text.match(/../g) ?? []) // two digits to base 36, in tenths of a percent
    .map((pair) => (pair === "--" ? null : parseInt(pair, 36) / 1000));
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;"); // pictures take text for elements

  function describe(row) {
    const list = element("dl");
    for (const [name, value] of row.facts) list.append(element("dt", name, "soft"), element("dd", value));
    return list;
  }

  function bars(recalls) {
    const list = element("div", undefined, "strips");
    list.setAttribute("role", "img");
    const said = recalls.map((recall, label) => `${names[label]} ${percent(recall)}`).join(", ");
    list.setAttribute("aria-label", `recall on test in percent: ${said}`);
    list.tabIndex = 0;
    recalls.forEach((recall, label) => {
      const track = element("span", undefined, "track");
      const bar = element("i");
      bar.style.width = `${100 * (recall ?? 0)}%`;
      track.append(bar);
      list.append(element("span", names[label]), track, element("span", percent(recall), "number"));
    });
    return list;
  }

  function themed() {
    const style = getComputedStyle(document.documentElement);
    const screen = ["--ink", "--line", "--panel"].map((name) => style.getPropertyValue(name).trim());
    const [ink, line, panel] = onPaper ? ON_PAPER : screen;
    const axis = (which) => ({ [`${which}.color`]: ink, [`${which}.gridcolor`]: line, [`${which}.linecolor`]: line });
    const hover = { "hoverlabel.bgcolor": panel, "hoverlabel.bordercolor": line, "hoverlabel.font.color": ink };
    const clear = "rgba(0,0,0,0)";
    const mode = matchMedia("(pointer: coarse)").matches ? false : "zoom"; // a finger on a picture scrolls the page
    return { paper_bgcolor: clear, plot_bgcolor: clear, "font.color": ink, dragmode: mode, ...hover,
      ...axis("xaxis"), ...axis("yaxis") };
  }

  function keyOf(told) {
    const list = element("ul");
    told.names.forEach((name, position) => {
      const item = element("li");
      const line = element("i");
      line.style.background = PALETTE[position % PALETTE.length];
      item.append(line, element("span", name));
      list.append(item);
    });
    return list;
  }

  function draw(row) {
    const told = row.multipliers;
    const place = find("multipliers");
    find("multipliers-part").hidden = !told;
    if (!told) return;
    const traces = told.values.map((values, position) => ({
      x: told.steps, y: values.map((value) => value / FINE), mode: "lines", name: plain(told.names[position]),
      line: { color: PALETTE[position % PALETTE.length] },
      hovertemplate: "step %{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
    }));
    const layout = { height: 240, margin: { t: 10, r: 10, l: 50, b: 40 }, xaxis: { title: { text: "step" } },
      yaxis: { title: { text: "multiplier" }, rangemode: "tozero" }, showlegend: false,
      font: { family: "system-ui, sans-serif" } };
    const shown = Plotly.react(place, traces, layout, PLAIN);
    shown.then(() => Plotly.relayout(place, themed()));
    place.setAttribute("aria-label", `multipliers of ${told.names.join(", ")} over the steps of training`);
    find("multipliers-key").replaceChildren(keyOf(told));
  }

  function slide() {
    const told = frontiers[showing.frontier];
    const place = Number(find("slider").value);
    const alpha = told.alphas[place];
    const isOwn = alpha === showing.alpha;
    find("slider-alpha").textContent = alpha;
    find("slider").setAttribute("aria-valuetext", `alpha ${alpha}`);
    find("slider-facts").textContent = `worst ${percent(told.robust[place])} %, average ${percent(told.average[place])} % `
      + (isOwn ? "on test: the combination itself" : "on test: of the same training, at another alpha");
    find("panel-recalls").replaceChildren(bars(unpack(told.recalls[place])));
    find("panel-command").textContent = showing.command + (isOwn ? "" : `-${alpha} --alpha ${alpha}`);
  }

  function show(position) {
    const row = rows[position];
    if (!row) return;
    showing = row;
    find("panel-title").textContent = row.title;
    find("panel-facts").replaceChildren(describe(row));
    find("panel-recalls").replaceChildren(bars(unpack(row.recalls)));
    find("panel-spec").textContent = row.spec;
    find("panel-command").textContent = row.command;
    for (const line of document.querySelectorAll("tr[data-row]")) {
      line.classList.toggle("shown", Number(line.dataset.row) === position);
    }
    draw(row);
    find("slider-part").hidden = row.frontier === undefined;
    if (row.frontier === undefined) return;
    find("slider").max = frontiers[row.frontier].alphas.length - 1;
    find("slider").value = frontiers[row.frontier].alphas.indexOf(row.alpha);
    slide();
  }

  function open(position, by) {
    show(position);
    opener = by;
    find("back").textContent = by === find("picture") ? "Back to the picture" : "Back to the list";
    find("back").hidden = false;
  }

  function goBack() {
    if (!opener) return;
    opener.focus();
    opener = null;
    find("back").hidden = true;
  }

  function sort(head) {
    const heads = [...head.parentNode.children];
    const body = head.closest("table").tBodies[0];
    const value = (line) => line.children[heads.indexOf(head)].dataset.value;
    const isNumeric = [...body.rows].every((line) => !isNaN(value(line)));
    const before = head.getAttribute("aria-sort");
    const falls = before ? before === "ascending" : isNumeric; // largest numbers first, words from their beginning
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const between = (a, b) => (isNumeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    const order = (one, two) => (falls ? -1 : 1) * between(value(one), value(two));
    body.append(...[...body.rows].sort(order));
  }

  const drawings = JSON.parse(find("charts").textContent);
  for (const [name, { data, layout }] of Object.entries(drawings)) Plotly.newPlot(name, data, layout, PLAIN);
  find("slider").addEventListener("input", slide);
  picture.on("plotly_click", (event) => open(event.points[0].customdata, find("picture")));
  find("back").addEventListener("click", goBack);
  for (const panel of document.querySelectorAll(".panel")) {
    panel.addEventListener("keydown", (event) => (event.key === "Escape" ? goBack() : undefined));
  }
  for (const button of document.querySelectorAll("button[data-row]")) {
    button.addEventListener("click", () => {
      open(Number(button.dataset.row), button);
      find("panel").focus({ preventScroll: true }); // a panel that is higher than the window would end up anywhere
      find("panel").scrollIntoView();
    });
  }
  for (const head of document.querySelectorAll("table.sortable thead th")) {
    head.firstElementChild.addEventListener("click", () => sort(head));
  }
  const theme = () => charts().forEach((each) => Plotly.relayout(each, themed()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
  function printing(isPaper) {
    onPaper = isPaper;
    const size = isPaper ? { width: PAPER } : { width: null, autosize: true };
    charts().forEach((each) => Plotly.relayout(each, { ...size, ...themed() }));
  }
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  matchMedia("print").addEventListener("change", (event) => printing(event.matches));
  show(Number(document.body.dataset.first));
  theme();
})();
