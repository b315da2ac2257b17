/** A plot over time. */

import uPlot from '../vendor/uplot.js';
import { html, useEffect, useRef } from './hooks.js';

const HEIGHT = 160;
const MIN_SECONDS = 60;

/** A minute at least: of a single sample the library would make years. @param {(number | null)[][]} data */
function widened(data) {
  const [from, to] = [data[0][0], data[0].at(-1)];
  if (to === undefined || to - from >= MIN_SECONDS) return data;
  return data.map((row, index) => [index === 0 ? to - MIN_SECONDS : null, ...row]);
}

/** A colour of the theme as the canvas wants it. @param {HTMLElement} element @param {string} name */
function colour(element, name) {
  element.style.color = `var(${name})`;
  return getComputedStyle(element).color;
}

/**
 * @param {{label: string, series: {name: string, colour: string}[], data: (number | null)[][], say: (value: number) => string}} props
 *   `data` are the times in seconds, then the values of each series
 */
export default function Plot({ label, series, data, say }) {
  const place = useRef(null);
  const plot = useRef(null);
  const newest = useRef(data);
  newest.current = widened(data);

  useEffect(() => {
    const element = place.current;
    const build = () => {
      plot.current?.destroy();
      const [line, muted] = [colour(element, '--line'), colour(element, '--muted')];
      const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '11px system-ui, sans-serif' };
      plot.current = new uPlot({
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
        axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map(say) }],
        series: [{}, ...series.map((one) => ({ stroke: colour(element, one.colour), width: 2, points: { show: false }, spanGaps: false }))],
      }, newest.current, element);
    };
    build();
    const sizes = new ResizeObserver(() => plot.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    addEventListener('themechange', build);
    scheme.addEventListener('change', build);
    return () => {
      sizes.disconnect();
      removeEventListener('themechange', build);
      scheme.removeEventListener('change', build);
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(newest.current), [data]);

  const last = (index) => data[index + 1].at(-1);
  const said = series.map(({ name }, index) => [name, last(index) === null || last(index) === undefined ? '–' : say(last(index))]);
  return html`
    <p class="legend">${said.map(([name, value], index) => html`
      <span><span class=${`swatch ${series[index].colour.slice(2)}`} aria-hidden="true"></span>${name} <strong class="num">${value}</strong></span>`)}</p>
    <div class="plot" ref=${place} role="img" aria-label=${`${label}: ${said.map((pair) => pair.join(' ')).join(', ')}`}></div>`;
}
