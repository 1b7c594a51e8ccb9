"""The one look of all panels. Colours come from JupyterLab's theme, so that light and dark both read well."""

STYLE = """<style>
.rcg-panel {
  --rcg-text: var(--jp-ui-font-color1, #222); --rcg-muted: var(--jp-ui-font-color2, #666);
  --rcg-line: var(--jp-border-color2, #ccc); --rcg-back: var(--jp-layout-color1, #fff);
  --rcg-soft: var(--jp-layout-color2, #f3f3f3); --rcg-brand: var(--jp-brand-color1, #1976d2);
  --rcg-bad: var(--jp-error-color1, #c62828); --rcg-warn: var(--jp-warn-color1, #b26a00);
  --rcg-good: var(--jp-success-color1, #2e7d32);
  color: var(--rcg-text); font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; max-width: 1280px;
  overflow: visible;
}
.rcg-panel .widget-html-content { line-height: 1.45; }
.rcg-head { margin-bottom: 6px; display: flex; align-items: baseline; gap: 10px; flex-wrap: wrap; }
.rcg-head h2 { font-size: 18px; font-weight: 600; margin: 0; color: var(--rcg-text); }
.rcg-panel a.rcg-link { color: var(--jp-content-link-color, #1976d2); }
.rcg-muted, .rcg-panel .rcg-muted { color: var(--rcg-muted); }
.rcg-status { min-height: 0; color: var(--rcg-muted); }
.rcg-card { border: 1px solid var(--rcg-line); border-radius: 6px; background: var(--rcg-back); padding: 12px 14px;
  margin: 0 0 12px 0; overflow: visible; }
.rcg-card h3, .rcg-title { font-size: 14px; font-weight: 600; margin: 0 0 6px 0; color: var(--rcg-text); }
.rcg-tag { display: inline-block; padding: 0 8px; border-radius: 9px; border: 1px solid currentColor; font-size: 11px;
  line-height: 17px; white-space: nowrap; }
.rcg-good { color: var(--rcg-good); } .rcg-bad { color: var(--rcg-bad); } .rcg-warn { color: var(--rcg-warn); }
.rcg-brand { color: var(--rcg-brand); }
.rcg-message { border-left: 4px solid; border-radius: 3px; background: var(--rcg-soft); padding: 7px 12px;
  margin: 4px 0; }
.rcg-message b, .rcg-message div { color: var(--rcg-text); }
.rcg-message .rcg-where { color: var(--rcg-muted); overflow-wrap: anywhere; }
.rcg-message details { margin-top: 4px; color: var(--rcg-muted); }
.rcg-panel pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; padding: 8px 10px; border-radius: 4px;
  background: var(--rcg-soft); color: var(--rcg-text); font-family: var(--jp-code-font-family, monospace);
  font-size: 12px; line-height: 1.4; max-height: 260px; overflow-y: auto; }
.rcg-panel pre.rcg-copy { user-select: all; cursor: copy; }
.rcg-wide { overflow-x: auto; max-width: 100%; }
.rcg-panel table.rcg-table { border-collapse: collapse; width: auto; margin: 2px 0; font-size: 12px; }
.rcg-panel table.rcg-table th { text-align: left; font-weight: 600; color: var(--rcg-muted);
  border-bottom: 1px solid var(--rcg-line); padding: 3px 11px 3px 0; white-space: nowrap; background: none; }
.rcg-panel table.rcg-table td { text-align: left; border-bottom: 1px solid var(--rcg-line); padding: 3px 11px 3px 0;
  vertical-align: top; overflow-wrap: break-word; color: var(--rcg-text); background: none; }
.rcg-panel table.rcg-table .rcg-number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.rcg-bar { height: 8px; border-radius: 4px; background: var(--jp-layout-color3, #ddd); overflow: hidden;
  margin: 5px 0; }
.rcg-bar > div { height: 100%; border-radius: 4px; background: var(--rcg-brand); transition: width 0.3s linear; }
.rcg-bar.rcg-unknown > div { width: 30%; animation: rcg-slide 1.4s ease-in-out infinite alternate; }
@keyframes rcg-slide { from { margin-left: 0; } to { margin-left: 70%; } }
.rcg-beat { display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--rcg-good);
  margin-left: 4px; transition: opacity 0.3s; }
.rcg-beat0 { opacity: 1; } .rcg-beat1 { opacity: 0.35; }
.rcg-spin { display: inline-block; width: 10px; height: 10px; border: 2px solid var(--rcg-line);
  border-top-color: var(--rcg-brand); border-radius: 50%; animation: rcg-turn 0.8s linear infinite; margin-right: 6px; }
@keyframes rcg-turn { to { transform: rotate(360deg); } }
.rcg-facts { display: flex; flex-wrap: wrap; gap: 6px 26px; }
.rcg-facts div { min-width: 60px; } .rcg-facts b { display: block; font-size: 18px; font-weight: 600; }
.rcg-pictures { display: flex; flex-wrap: wrap; gap: 10px; }
.rcg-pictures figure { margin: 0; max-width: 100%; width: min-content; }
.rcg-pictures img { display: block; border-radius: 4px; }
.rcg-pictures figcaption { font-size: 11px; color: var(--rcg-muted); overflow-wrap: anywhere; }
.rcg-panel table.rcg-table code { font-size: 11px; overflow-wrap: anywhere; background: none; color: inherit; }
.rcg-class, .rcg-class-head { display: flex; justify-content: space-between; gap: 8px; }
.rcg-class span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.rcg-class span:last-child { color: var(--rcg-muted); font-variant-numeric: tabular-nums; }
.rcg-class-head { display: grid; grid-template-columns: 34px 70px 80px 1fr; font-size: 11px; color: var(--rcg-muted); }
.rcg-panel .jupyter-widgets.jupyter-widget-tab.rcg-tabs > .lm-TabBar .lm-TabBar-tab { flex: 0 0 auto; min-width: 0;
  padding: 0 9px; }
.rcg-panel .rcg-tabs > .jupyter-widget-tab-contents, .rcg-panel .rcg-tabs > .widget-tab-contents { padding: 10px 2px 0;
  border: none; }
.rcg-panel .rcg-where { color: var(--rcg-muted); overflow-wrap: anywhere; font-size: 12px; }
.rcg-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 14px;
  margin-top: 14px; }
.rcg-figures figure { margin: 0; min-width: 0; } .rcg-figures img { width: 100%; max-width: 560px; }
.rcg-figures figcaption { font-weight: 600; margin-bottom: 2px; }
.rcg-figures img.rcg-dark, body[data-jp-theme-light="false"] .rcg-figures img.rcg-light { display: none; }
body[data-jp-theme-light="false"] .rcg-figures img.rcg-dark { display: inline; }
.rcg-panel .widget-html, .rcg-panel .widget-html-content, .rcg-panel .jupyter-widget-tab-contents > * { min-width: 0;
  max-width: 100%; }
.rcg-panel .widget-html-content { flex: 1 1 auto; }
.rcg-panel table.rcg-table .rcg-id { white-space: nowrap; overflow-wrap: normal; }
.rcg-panel table.rcg-table .rcg-any { overflow-wrap: anywhere; min-width: 90px; }
body[data-jp-theme-light="false"] .rcg-panel .widget-dropdown > select { background-image: url("data:image/svg+xml,\
%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath fill='%23ddd' d='M5 6.8l4 4 4-4 1.2 1.2L9 13.2\
 3.8 8z'/%3E%3C/svg%3E"); }
.rcg-beside { margin: 0 0 4px 124px; font-size: 12px; color: var(--rcg-warn); }
.rcg-cell { position: relative; overflow: visible; }
.rcg-panel .rcg-cell .rcg-over { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; padding: 0;
  background: transparent; color: transparent; cursor: zoom-in; border-radius: 4px; }
.rcg-panel .rcg-cell .rcg-over:hover, .rcg-panel .rcg-cell .rcg-over:focus-visible { box-shadow: none;
  outline: 2px solid var(--rcg-brand); outline-offset: 2px; }
.rcg-photo { position: relative; display: inline-block; line-height: 0; max-width: 100%; }
.rcg-photo svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.rcg-photo svg text { font-family: var(--jp-ui-font-family, sans-serif); font-weight: 700; paint-order: stroke;
  stroke: #fff; stroke-width: 3px; }
.rcg-looking { display: flex; flex-wrap: wrap; gap: 8px 18px; align-items: flex-start; }
.rcg-looking .rcg-photo { flex: 3 1 520px; } .rcg-looking .rcg-photo img { width: 100%; border-radius: 4px; }
.rcg-looking > div:last-child { flex: 1 1 220px; min-width: 0; max-height: 900px; overflow: auto;
  overflow-wrap: anywhere; }
.rcg-key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 4px; }
.rcg-keys { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; margin: 2px 0 6px; }
.rcg-legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 11px; margin-left: 52px; }
.rcg-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 8px; }
.rcg-help { color: var(--rcg-muted); font-size: 12px; margin: 0 0 4px 124px; }
.rcg-panel .widget-label { color: var(--rcg-text); }
.rcg-panel .jupyter-button { border-radius: 4px; }
.rcg-panel .widget-inline-hbox > .widget-label { text-align: left; }
.rcg-panel svg text { font-family: var(--jp-ui-font-family, sans-serif); }
</style>"""
