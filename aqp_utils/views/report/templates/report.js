"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const store = JSON.parse($("#store").textContent);
  const body = $("#clips tbody");
  const rows = $$("tr.clip", body);
  const points = new Map($$("#scatter .point").map((point) => [point.dataset.clip, point]));

  // ---- light and dark -------------------------------------------------------------------------
  const themes = ["auto", "light", "dark"];
  const themeButton = $("#theme");
  const remember = (value) => { try { localStorage.setItem("theme", value); } catch { /* private */ } };
  const recall = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    themeButton.textContent = `Theme: ${theme}`;
  };
  setTheme(themes.includes(recall()) ? recall() : "auto");
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % 3];
    setTheme(next);
    remember(next);
  });

  let opened = null; // the clip being listened to: { row, detail, players, active }

  // ---- sorting --------------------------------------------------------------------------------
  const order = { low: 0, medium: 1, high: 2 };
  const value = (row, key, type) => {
    const text = row.dataset[key];
    if (type === "text") return text;
    return key in { quality: 1, predicted: 1 } ? order[text] : text === "" ? NaN : Number(text);
  };
  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  };
  const arrange = (head, direction, difference) => {
    for (const other of $$("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    for (const row of [...rows].sort(difference)) {
      body.append(row);
      if (row === opened?.row) body.append(opened.detail);
    }
  };
  const sortBy = (head) => {
    const { key, type } = head.dataset;
    const up = head.getAttribute("aria-sort") !== "ascending";
    arrange(head, up ? "ascending" : "descending", (a, b) => {
      const difference = compare(value(a, key, type), value(b, key, type));
      return up ? difference : -difference;
    });
  };
  const size = (row) => Math.abs(Number(row.dataset.error));
  $("#worst").addEventListener("click", () =>
    arrange($('th[data-key="error"]'), "other", (a, b) => size(b) - size(a)));
  for (const head of $$("#clips thead th[data-key]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(head));
    head.replaceChildren(button);
  }

  // ---- filters --------------------------------------------------------------------------------
  const form = $("#filters");
  const fits = (row, wanted) =>
    ["kind", "severity", "quality", "off"].every((k) => !wanted[k] || row.dataset[k] === wanted[k]) &&
    size(row) >= Number(wanted.error);
  const filter = () => {
    const wanted = Object.fromEntries(new FormData(form));
    let shown = 0;
    for (const row of rows) {
      const fit = fits(row, wanted);
      row.hidden = !fit;
      points.get(row.dataset.clip)?.classList.toggle("off", !fit);
      shown += fit;
    }
    if (opened?.row.hidden) close();
    $("output", form).textContent = Number(wanted.error).toFixed(2);
    $("#count").textContent =
      shown === rows.length ? `${shown} clips` : `${shown} of ${rows.length} clips`;
    $("#none").hidden = shown > 0;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());

  // ---- spectrograms: the same transform and colours as the figures ----------------------------
  const { sample_rate: RATE, decoded_rate: DECODED_RATE } = store.spectrogram;
  const { n_fft: SIZE, hop: HOP, level_db, difference_db } = store.spectrogram;
  const BINS = SIZE / 2 + 1;
  const hann = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));

  const fft = (re, im) => {
    const n = re.length;
    for (let i = 1, j = 0; i < n; i++) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
    }
    for (let size = 2; size <= n; size *= 2) {
      for (let k = 0; k < size / 2; k++) {
        const c = Math.cos((-2 * Math.PI * k) / size), s = Math.sin((-2 * Math.PI * k) / size);
        for (let a = k; a < n; a += size) {
          const b = a + size / 2;
          const r = re[b] * c - im[b] * s, i = re[b] * s + im[b] * c;
          re[b] = re[a] - r; im[b] = im[a] - i;
          re[a] += r; im[a] += i;
        }
      }
    }
  };
  const spectrogram = (samples) => {
    const frames = 1 + Math.floor(samples.length / HOP);
    const level = new Float32Array(frames * BINS);
    const re = new Float32Array(SIZE), im = new Float32Array(SIZE);
    for (let frame = 0; frame < frames; frame++) {
      const start = frame * HOP - SIZE / 2;
      for (let i = 0; i < SIZE; i++) re[i] = (samples[start + i] ?? 0) * hann[i];
      im.fill(0);
      fft(re, im);
      for (let bin = 0; bin < BINS; bin++) {
        const magnitude = Math.hypot(re[bin], im[bin]) / (SIZE / 4);
        level[frame * BINS + bin] = 20 * Math.log10(magnitude + 1e-10);
      }
    }
    return level;
  };
  const difference = (degraded, clean) =>
    degraded.map((level, i) => Math.max(level, level_db[0]) - Math.max(clean[i] ?? -200, level_db[0]));
  const draw = (canvas, levels, [low, high], steps) => {
    const frames = levels.length / BINS;
    canvas.width = frames;
    canvas.height = BINS;
    const context = canvas.getContext("2d");
    const image = context.createImageData(frames, BINS);
    for (let bin = 0; bin < BINS; bin++) {
      for (let frame = 0; frame < frames; frame++) {
        const share = Math.min(Math.max((levels[frame * BINS + bin] - low) / (high - low), 0), 1);
        const at = share * (steps.length - 1), lower = Math.min(Math.floor(at), steps.length - 2);
        const pixel = 4 * ((BINS - 1 - bin) * frames + frame);
        for (let c = 0; c < 3; c++) {
          image.data[pixel + c] = steps[lower][c] + (at - lower) * (steps[lower + 1][c] - steps[lower][c]);
        }
        image.data[pixel + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  };
  // Browsers resample coarsely, so a codec that works at another rate is brought down here:
  // windowed sinc, flat to 0.94 of the new Nyquist frequency.
  const decimate = (samples, factor) => {
    if (factor === 1) return samples;
    const half = 64 * factor, kernel = new Float32Array(2 * half + 1);
    for (let i = -half; i <= half; i++) {
      const x = (0.97 * i) / factor;
      const sinc = i === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      kernel[i + half] = (0.97 / factor) * sinc * (0.5 + 0.5 * Math.cos((Math.PI * i) / (half + 1)));
    }
    return Float32Array.from({ length: Math.ceil(samples.length / factor) }, (_, n) => {
      let sum = 0;
      const first = Math.max(0, n * factor - half), last = Math.min(samples.length - 1, n * factor + half);
      for (let m = first; m <= last; m++) sum += samples[m] * kernel[m - n * factor + half];
      return sum;
    });
  };
  const decode = async (uri) => {
    const bytes = Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), (c) => c.charCodeAt(0));
    const context = new OfflineAudioContext(1, 1, DECODED_RATE);
    const samples = (await context.decodeAudioData(bytes.buffer)).getChannelData(0);
    return decimate(samples, DECODED_RATE / RATE);
  };
  const drawAll = async (detail, files) => {
    const [degraded, clean] = await Promise.all(
      [files.degraded, files.clean].map(async (file) => spectrogram(await decode(store.sounds[file]))));
    const canvas = (part) => $(`[data-part="${part}"] canvas`, detail);
    draw(canvas("degraded"), degraded, level_db, store.colormaps.level);
    draw(canvas("clean"), clean, level_db, store.colormaps.level);
    draw(canvas("difference"), difference(degraded, clean), difference_db, store.colormaps.difference);
  };

  // ---- one open clip: players, A/B, pictures --------------------------------------------------
  const other = (part) => (part === "degraded" ? "clean" : "degraded");
  const setActive = (part) => {
    opened.active = part;
    $(".switch", opened.detail).textContent = `Switch to ${other(part)}`;
    for (const figure of $$(".views figure", opened.detail)) {
      figure.classList.toggle("sounding", figure.dataset.part === part);
    }
  };
  const moveHeads = () => {
    if (!opened) return;
    const player = opened.players[opened.active];
    const share = player.duration ? player.currentTime / player.duration : 0;
    for (const head of $$(".head", opened.detail)) head.style.left = `${100 * share}%`;
    if (!player.paused) requestAnimationFrame(moveHeads);
  };
  // The second player starts muted beside the first, so that nothing is missed in between.
  const switchPlayer = async () => {
    const { players, active } = opened;
    const from = players[active], to = players[other(active)];
    to.currentTime = from.currentTime;
    setActive(other(active));
    if (!from.paused) {
      to.muted = true;
      await to.play();
      to.muted = from.muted;
      from.pause();
    }
    moveHeads();
  };
  const play = (part, at) => {
    const player = opened.players[part];
    if (at !== undefined) player.currentTime = at * player.duration;
    return player.play().catch(() => {});
  };
  const wirePlayers = ({ players }) => {
    for (const [part, player] of Object.entries(players)) {
      player.addEventListener("play", () => {
        if (!player.muted && opened?.active !== part) {
          players[other(part)].pause();
          setActive(part);
        }
        moveHeads();
      });
      for (const event of ["seeked", "pause", "loadedmetadata"]) player.addEventListener(event, moveHeads);
    }
  };
  const wirePictures = (detail) => {
    for (const picture of $$(".picture", detail)) {
      picture.addEventListener("click", (event) => {
        const box = picture.getBoundingClientRect();
        const part = picture.parentElement.dataset.part;
        const chosen = part === "difference" ? opened.active : part;
        opened.players[other(chosen)].pause();
        setActive(chosen);
        play(chosen, (event.clientX - box.left) / box.width);
      });
    }
  };
  const describe = (detail, { dataset: d }) => {
    const signed = Number(d.error) < 0 ? "below" : "above";
    $(".summary", detail).textContent =
      `${d.clip}: ${d.kind}, severity ${d.severity}, ${d.parameter_text}. ` +
      `True class ${d.quality}, predicted ${d.predicted}; true score ${Number(d.score).toFixed(2)}, ` +
      `predicted ${Number(d.predicted_score).toFixed(2)}, ${Math.abs(Number(d.error)).toFixed(2)} ${signed} the truth.`;
    const shares = d.probabilities.trim().split(/\s+/).filter(Boolean).map(Number);
    const list = $(".probabilities", detail);
    if (shares.length !== 3) return list.remove();
    for (const [i, name] of ["high", "medium", "low"].entries()) {
      const entry = document.createElement("div");
      entry.innerHTML = '<dt></dt><dd><span class="meter"><i></i></span><span></span></dd>';
      $("dt", entry).textContent = name;
      $("i", entry).style.width = `${100 * shares[i]}%`;
      $("dd > span:last-child", entry).textContent = `${(100 * shares[i]).toFixed(0)} %`;
      list.append(entry);
    }
  };
  const caption = (detail) => {
    const names = { degraded: "degraded clip", clean: "clean source", difference: "difference, degraded minus clean" };
    for (const [part, name] of Object.entries(names)) {
      $(`[data-part="${part}"] canvas`, detail).setAttribute("aria-label", `Spectrogram: ${name}`);
      $(`[data-part="${part}"] audio`, detail)?.setAttribute("aria-label", `Player: ${name}`);
    }
    const signed = (x) => String(x).replace("-", "−");
    $('[data-part="difference"] .scale', detail).textContent =
      `Blue: quieter, red: louder than the clean source; ± ${difference_db[1]} dB.`;
    $(".scale.level", detail).textContent =
      `Spectrograms: 0 to ${RATE / 2000} kHz upward, dark to bright ${signed(level_db[0])} to ` +
      `${signed(level_db[1])} dBFS, windows of ${(1000 * SIZE) / RATE} ms; drawn from the audio of the players.`;
  };
  const close = () => {
    if (!opened) return;
    for (const player of Object.values(opened.players)) player.pause();
    opened.detail.remove();
    opened.row.classList.remove("open");
    points.get(opened.row.dataset.clip)?.classList.remove("open");
    $("th.clip button", opened.row).setAttribute("aria-expanded", "false");
    opened = null;
  };
  const open = (row) => {
    close();
    const detail = $("#detail").content.firstElementChild.cloneNode(true);
    const files = store.clips[row.dataset.clip];
    const players = {};
    for (const part of ["degraded", "clean"]) {
      players[part] = $(`[data-part="${part}"] audio`, detail);
      players[part].src = store.sounds[files[part]];
    }
    opened = { row, detail, players, active: "degraded" };
    describe(detail, row);
    caption(detail);
    wirePlayers(opened);
    wirePictures(detail);
    $(".switch", detail).addEventListener("click", switchPlayer);
    row.after(detail);
    row.classList.add("open");
    points.get(row.dataset.clip)?.classList.add("open");
    $("th.clip button", row).setAttribute("aria-expanded", "true");
    setActive("degraded");
    drawAll(detail, files).catch(() => {
      $(".scale.level", detail).textContent = "This browser cannot decode the audio, so there are no spectrograms.";
    });
  };
  const button = (label, text) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (label) made.setAttribute("aria-label", label);
    return made;
  };
  for (const row of rows) {
    if (!(row.dataset.clip in store.clips)) continue;
    const name = row.dataset.clip;
    const disclose = button("", name);
    disclose.setAttribute("aria-expanded", "false");
    $("th.clip", row).replaceChildren(disclose);
    const listen = button(`Play ${name}`, "▶\uFE0E");
    $("td.listen", row).append(listen);
    listen.addEventListener("click", (event) => {
      event.stopPropagation();
      if (opened?.row !== row) open(row);
      play("degraded", undefined);
    });
    row.addEventListener("click", () => {
      if (getSelection().isCollapsed) opened?.row === row ? close() : open(row);
    });
  }
  for (const [name, point] of points) {
    point.addEventListener("click", () => {
      const row = rows.find((r) => r.dataset.clip === name);
      if (!(name in store.clips)) return;
      if (row.hidden) form.reset();
      row.hidden = false;
      open(row);
      row.scrollIntoView({ block: "start" });
      $("th.clip button", row).focus({ preventScroll: true });
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches?.("input, select, textarea");
    if (event.key.toLowerCase() !== "x" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (opened && !typing) switchPlayer();
  });

  // ---- figures and paper ----------------------------------------------------------------------
  const dialog = $("#large");
  for (const enlarge of $$(".enlarge")) {
    enlarge.addEventListener("click", () => {
      const picture = $("img", enlarge), large = $("img", dialog);
      large.src = picture.src;
      large.alt = picture.alt;
      $("p", dialog).textContent = $("figcaption", enlarge.parentElement).textContent;
      dialog.showModal();
    });
  }
  dialog?.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("beforeprint", () => { for (const part of $$("details")) part.open = true; });
})();
