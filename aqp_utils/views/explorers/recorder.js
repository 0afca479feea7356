// The handler of the button "Record": `this` is the button. Samples are kept as they come, without
// a lossy codec and with the browser's own processing off; a score is to be that of the room.
const button = this;
const page = button.closest(".aqp-recorder");
const say = (text) => { page.querySelector("output").textContent = text; };
const LONGEST_S = Number(button.dataset.longest);
if (button.stop) return button.stop();

const KEEP = `registerProcessor("keep", class extends AudioWorkletProcessor {
  process([input]) { if (input[0]) this.port.postMessage(input[0].slice()); return true; }
})`;
const REFUSALS = {
  NotAllowedError: "The microphone was refused; choose a file, or allow it for this page.",
  NotFoundError: "There is no microphone here; choose a file.",
};
const wav = (blocks, rate) => {
  const samples = blocks.flatMap((block) => Array.from(block, (x) => 32767 * Math.max(-1, Math.min(1, x))));
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); head.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  text(36, "data"); head.setUint32(40, 2 * samples.length, true);
  return new Blob([head, Int16Array.from(samples)]);
};
const handOver = (file) => {
  const reader = new FileReader();
  reader.onload = () => {
    const box = page.querySelector("textarea");
    box.value = reader.result.split(",")[1];
    box.dispatchEvent(new Event("change", { bubbles: true }));
  };
  reader.readAsDataURL(file);
};
const record = async () => {
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    return say("This page cannot record (that needs https or localhost); choose a file.");
  }
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const blocks = [];
  // In the handler of an element, URL alone is the address of the document.
  const address = window.URL.createObjectURL(new Blob([KEEP], { type: "text/javascript" }));
  await context.audioWorklet.addModule(address);
  const mono = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
  const keeper = new AudioWorkletNode(context, "keep", mono);
  keeper.port.onmessage = ({ data }) => blocks.push(data);
  context.createMediaStreamSource(stream).connect(keeper);
  button.textContent = "■ Stop";
  const heard_s = () => blocks.reduce((n, block) => n + block.length, 0) / context.sampleRate;
  const clock = setInterval(() => {
    say(`${heard_s().toFixed(1)} of at most ${LONGEST_S} s`);
    if (heard_s() >= LONGEST_S || !button.isConnected) button.stop();
  }, 100);
  button.stop = () => {
    button.stop = null;
    button.textContent = "● Record";
    clearInterval(clock);
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    say("");
    handOver(wav(blocks, context.sampleRate));
  };
};
button.disabled = true;
record()
  .catch((error) => say(REFUSALS[error.name] ?? `Recording failed (${error.message}); choose a file.`))
  .finally(() => { button.disabled = false; });
