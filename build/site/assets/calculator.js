// The calculator of the page on sizing: reads its form, and says what the model makes of it.
import { size } from "./sizing_model.js";

const form = document.querySelector("[data-calculator]");
const result = document.querySelector("#sizing-result");

const rounded = (value, digits = 2) =>
  Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 1 });

function show() {
  if (!form.checkValidity()) {
    result.textContent = "Please give whole numbers, 0 or more.";
    return;
  }
  const input = Object.fromEntries(
    [...new FormData(form)].map(([name, text]) => [name, Number(text)]),
  );
  const { people, packetsPerS, outMbps, inMbps, cores, memoryMb, joinsPerS } = size(input);
  result.textContent = `${people.toLocaleString("en")} people: ${cores} ` +
    `${cores === 1 ? "core" : "cores"} that are half busy, ${rounded(memoryMb)} MB of memory, ` +
    `${rounded(outMbps)} Mbit/s out and ${rounded(inMbps)} in, ${rounded(packetsPerS)} packets a ` +
    `second. Set rtc.udp_port to a range of ${cores} ${cores === 1 ? "port" : "ports"}. ` +
    `About ${rounded(joinsPerS)} people a second can join beside that.`;
}

form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
show();
