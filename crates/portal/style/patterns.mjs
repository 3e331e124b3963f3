// A page that shows every part of the stylesheet with texts as the desks have them, in both languages. It is not
// shipped: the browser tests serve it, judge it with axe, and make its pictures.
//
// page({ language: "en" | "zh", desk: "subject" | "auditor" | "officer" })

import { readFileSync } from "node:fs";

const mark = readFileSync(new URL("../assets/mark.svg", import.meta.url), "utf8")
  .trim()
  .replace("<svg ", '<svg class="tacit-mark" aria-hidden="true" focusable="false" ')
  .replace(' color="#0b5f63"', "");

const HASH = "9c1f0e6b7a2d4c8f5e3b1a0d9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b";

const DESKS = {
  subject: { name: ["Your records", "我的记录"], person: ["Lin Mei", "林梅"] },
  auditor: { name: ["Audit desk", "审计台"], person: ["Auditor Zhao", "赵审计员"] },
  officer: { name: ["Check desk", "查询台"], person: ["Officer Chen", "陈科员"] },
};

export function page({ language, desk }) {
  const t = (english, chinese) => (language === "zh" ? chinese : english);
  const own = (pair) => t(...pair);
  return `<!DOCTYPE html>
<html lang="${t("en", "zh-Hans")}" class="govuk-template tacit-desk--${desk}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${t("Patterns", "样式")} - Tacit</title>
  <link rel="icon" href="/assets/favicon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/tacit.css">
  <script type="module" src="/assets/tacit.js"></script>
</head>
<body class="govuk-template__body">
${head(t, own, desk)}
<div class="govuk-width-container">
  ${breadcrumbs(t)}
  <main class="govuk-main-wrapper" id="main">
    <h1 class="govuk-heading-xl">${t("Who asked about me", "谁查询过我")}</h1>
    ${messages(t)}
    ${answers(t)}
    ${lists(t)}
    ${logTable(t)}
    ${proofs(t)}
    ${overview(t)}
    ${form(t)}
    ${tasks(t)}
  </main>
</div>
${foot(t)}
</body>
</html>
`;
}

function head(t, own, desk) {
  const items = [
    [t("Who asked about me", "谁查询过我"), "/entries", true],
    [t("My consents", "我的同意"), "/consents"],
    [t("Requests waiting", "待处理的请求"), "/requests"],
    [t("Letters and objections", "通知与异议"), "/letters"],
    [t("Check a list", "查询名单"), "/check"],
  ];
  return `<a href="#main" class="govuk-skip-link" data-module="govuk-skip-link">${t("Skip to main content", "跳到正文")}</a>
<header class="tacit-header">
  <div class="govuk-width-container">
    <div class="tacit-header__row">
      <a class="tacit-header__home" href="/">${mark}<span class="tacit-header__name">Tacit</span><span class="tacit-header__desk">${own(DESKS[desk].name)}</span></a>
      <div class="tacit-header__side">
        <nav class="govuk-language-navigation" aria-label="${t("Language", "语言")}">
          <ul class="govuk-language-navigation__list">
            ${language(t("on", ""), "en", "English")}
            ${language(t("", "on"), "zh-Hans", "简体中文")}
          </ul>
        </nav>
        <span class="tacit-header__person">${own(DESKS[desk].person)}</span>
        <form method="post" action="/logout"><button class="tacit-link-button" type="submit">${t("Sign out", "退出")}</button></form>
      </div>
    </div>
  </div>
</header>
<div class="tacit-banner tacit-banner--development" role="region" aria-label="${t("Development login", "开发登录")}">
  <div class="govuk-width-container">
    <div class="tacit-banner__row">
      <strong class="tacit-banner__tag">${t("Development login", "开发登录")}</strong>
      <span class="tacit-banner__text">${t("Anyone at this machine can sign in as anyone. It works on this machine only.", "在这台机器上，任何人都能以任何身份登录。仅限本机使用。")}</span>
    </div>
  </div>
</div>
<div class="tacit-banner tacit-banner--acting" role="region" aria-label="${t("You act for another", "您正在代理他人")}">
  <div class="govuk-width-container">
    <div class="tacit-banner__row">
      <strong class="tacit-banner__tag">${t("Acting for", "代理")}</strong>
      <span class="tacit-banner__text">${t("Xiamen Harbor Trading Co., Ltd.: see entries and consents, until 3 March 2027.", "厦门海港贸易有限公司：查看记录与同意，至 2027年3月3日止。")}</span>
      <form method="post" action="/acting/stop"><button class="tacit-link-button" type="submit">${t("Stop acting", "停止代理")}</button></form>
    </div>
  </div>
</div>
<div class="govuk-service-navigation" data-module="govuk-service-navigation">
  <div class="govuk-width-container">
    <div class="govuk-service-navigation__container">
      <nav aria-label="${t("Menu", "菜单")}" class="govuk-service-navigation__wrapper">
        <button type="button" class="govuk-service-navigation__toggle govuk-js-service-navigation-toggle" aria-controls="navigation" hidden aria-hidden="true">${t("Menu", "菜单")}</button>
        <ul class="govuk-service-navigation__list" id="navigation">
          ${items
            .map(
              ([text, href, current]) => `<li class="govuk-service-navigation__item${current ? " govuk-service-navigation__item--active" : ""}">
            <a class="govuk-service-navigation__link" href="${href}"${current ? ' aria-current="page"' : ""}>${text}${href === "/requests" ? `<span class="tacit-count" aria-hidden="true">2</span><span class="govuk-visually-hidden">${t(", 2 waiting", "，2 项")}</span>` : ""}</a>
          </li>`,
            )
            .join("\n          ")}
        </ul>
      </nav>
    </div>
  </div>
</div>`;
}

function language(current, tag, name) {
  const inner = current
    ? `<span class="govuk-language-navigation__text" aria-current="true" lang="${tag}">${name}</span>`
    : `<a class="govuk-language-navigation__link" href="?lang=${tag}" rel="alternate" hreflang="${tag}" lang="${tag}">${name}</a>`;
  return `<li class="govuk-language-navigation__list-item">${inner}</li>`;
}

function breadcrumbs(t) {
  return `<nav class="govuk-breadcrumbs" aria-label="${t("You are here", "当前位置")}">
    <ol class="govuk-breadcrumbs__list">
      <li class="govuk-breadcrumbs__list-item"><a class="govuk-breadcrumbs__link" href="/">${t("Overview", "总览")}</a></li>
      <li class="govuk-breadcrumbs__list-item" aria-current="page">${t("Who asked about me", "谁查询过我")}</li>
    </ol>
  </nav>
  <a href="/entries" class="govuk-back-link">${t("Back to all entries", "返回全部记录")}</a>`;
}

function messages(t) {
  return `<p class="govuk-body-l">${t("Every agency that checked whether you are on a list stands here, and every one that was refused.", "凡查询过您是否在某名单上的机构，以及被拒绝的机构，都列在这里。")}</p>
    <div class="govuk-notification-banner" role="region" aria-labelledby="note-1">
      <div class="govuk-notification-banner__header"><h2 class="govuk-notification-banner__title" id="note-1">${t("Important", "重要")}</h2></div>
      <div class="govuk-notification-banner__content"><p class="govuk-notification-banner__heading">${t("You have until 4 December 2026 to object to a listing.", "对这次列入，您可在 2026年12月4日前提出异议。")} <a class="govuk-notification-banner__link" href="/letters/1">${t("Read the letter", "查看通知")}</a></p></div>
    </div>
    <div class="govuk-error-summary" data-module="govuk-error-summary" data-disable-auto-focus="true">
      <div role="alert">
        <h2 class="govuk-error-summary__title">${t("There is a problem", "有一处问题")}</h2>
        <div class="govuk-error-summary__body"><ul class="govuk-list govuk-error-summary__list"><li><a href="#code">${t("The characters do not agree; compare with the document.", "号码的校验不符，请与证件核对。")}</a></li></ul></div>
      </div>
    </div>
    <div class="govuk-panel govuk-panel--confirmation">
      <h2 class="govuk-panel__title">${t("You withdrew your consent", "您已撤回同意")}</h2>
      <div class="govuk-panel__body">${t("Receipt", "回执")} <span class="tacit-code">c-7f3a-91b2</span></div>
    </div>
    <div class="govuk-inset-text">${t("Withdrawal changes what can be asked from now on. Answers already given stay given; a permit of the last 60 seconds may still be used.", "撤回之后，今后的查询不再允许。已经给出的答复不受影响；最近 60 秒内签发的许可仍可能被使用。")}</div>
    <div class="govuk-warning-text">
      <span class="govuk-warning-text__icon" aria-hidden="true">!</span>
      <strong class="govuk-warning-text__text"><span class="govuk-visually-hidden">${t("Warning", "警告")}</span>${t("An answer is not a decision. Hear the person before you decide.", "答复不是决定。作出决定之前，应听取当事人意见。")}</strong>
    </div>`;
}

function answers(t) {
  return `<h2 class="govuk-heading-l">${t("Answers", "答复")}</h2>
    <section class="tacit-answer tacit-answer--not-listed" aria-labelledby="answer-1">
      <h3 class="tacit-answer__title" id="answer-1">${t("Not on the list <em>judgment defaulters</em> as of 21 Nov 2026, 10:32", "截至 2026年11月21日 10:32，不在“失信被执行人”名单上")}</h3>
      <p class="govuk-body">${t("This says nothing about other lists.", "这不说明其他名单的情况。")}</p>
      <dl class="govuk-summary-list govuk-summary-list--no-border">
        ${row(t("Code as typed", "输入的号码"), '<span class="tacit-code">9135 0211m0001<mark>o</mark>006d</span>')}
        ${row(t("Code looked up", "查询的号码"), '<span class="tacit-code">91350211M0001<mark>0</mark>006D</span>')}
        ${row(t("Purpose", "目的"), t("Vendor selection in public procurement", "政府采购供应商资格审查"))}
      </dl>
    </section>
    <section class="tacit-answer tacit-answer--listed" aria-labelledby="answer-2">
      <h3 class="tacit-answer__title" id="answer-2">${t("On the list <em>tax arrears</em> as of 21 Nov 2026, 10:32", "截至 2026年11月21日 10:32，在“欠税”名单上")}</h3>
      <p class="govuk-body">${t("Category B, from 2 March 2026 until 1 March 2027. The person objects; the objection is not decided.", "B 类，自 2026年3月2日至 2027年3月1日。当事人已提出异议，尚未决定。")}</p>
    </section>
    <section class="tacit-answer tacit-answer--none" aria-labelledby="answer-3">
      <h3 class="tacit-answer__title" id="answer-3">${t("No answer: consent is missing", "没有答复：缺少同意")}</h3>
      <p class="govuk-body">${t("Nothing was learned. You may ask the person for consent.", "未得知任何情况。您可以请求当事人同意。")}</p>
      <button type="submit" class="govuk-button govuk-button--secondary">${t("Ask for consent", "请求同意")}</button>
    </section>`;
}

const row = (key, value, action = "") =>
  `<div class="govuk-summary-list__row"><dt class="govuk-summary-list__key">${key}</dt><dd class="govuk-summary-list__value">${value}</dd>${action}</div>`;

function lists(t) {
  const change = `<dd class="govuk-summary-list__actions"><a class="govuk-link" href="/consents/1/withdraw">${t("Withdraw", "撤回")}<span class="govuk-visually-hidden"> ${t("this consent", "这项同意")}</span></a></dd>`;
  return `<h2 class="govuk-heading-l">${t("A consent", "一项同意")}</h2>
    <div class="govuk-summary-card">
      <div class="govuk-summary-card__title-wrapper">
        <h3 class="govuk-summary-card__title">${t("Harbor Bank", "海港银行")}</h3>
      </div>
      <div class="govuk-summary-card__content">
        <dl class="govuk-summary-list">
          ${row(t("May ask", "可查询"), t("judgment defaulters, tax arrears", "失信被执行人、欠税"), change)}
          ${row(t("For", "目的"), t("Deciding on a loan you applied for", "审查您申请的贷款"))}
          ${row(t("State", "状态"), `<strong class="govuk-tag govuk-tag--green">${t("Given", "已给予")}</strong> <strong class="govuk-tag govuk-tag--grey">${t("Paused", "已暂停")}</strong> <strong class="govuk-tag govuk-tag--red">${t("Withdrawn", "已撤回")}</strong>`)}
        </dl>
      </div>
    </div>
    <details class="govuk-details"><summary class="govuk-details__summary"><span class="govuk-details__summary-text">${t("What a listing means", "列入名单意味着什么")}</span></summary><div class="govuk-details__text"><p>${t("A court recorded that you did not pay what it ordered. Agencies that may ask can see it until it ends.", "法院记录您未履行其裁判确定的义务。在期限届满之前，有权查询的机构可以看到。")}</p></div></details>`;
}

function logTable(t) {
  const columns = [t("When", "时间"), t("Agency", "机构"), t("Why", "原因"), t("List", "名单"), t("Decision", "结果"), t("Proof", "证明"), t("Index", "序号")];
  const entries = [
    [t("21 Nov 2026, 10:32", "2026年11月21日 10:32"), t("City Procurement Office", "市政府采购中心"), t("Vendor selection", "供应商资格审查"), t("judgment defaulters", "失信被执行人"), t("Answered", "已答复"), state("verified", t("Verified", "已核验")), "104,233"],
    [t("20 Nov 2026, 16:05", "2026年11月20日 16:05"), t("Harbor Bank", "海港银行"), t("Loan application", "贷款申请"), t("tax arrears", "欠税"), `${t("No consent was given", "没有同意")} <strong class="govuk-tag govuk-tag--grey">${t("Refused", "已拒绝")}</strong>`, state("pending", t("Not yet verified", "尚未核验")), "104,198"],
    [t("2 Jan 2024, 09:00", "2024年1月2日 09:00"), t("Market Regulation Bureau", "市场监督管理局"), state("erased", t("Erased on 2 Jan 2026", "已于 2026年1月2日删除")), t("serious violators", "严重违法失信"), t("Answered", "已答复"), state("fails", t("Fails: the record is not in the tree", "不符：该记录不在树中")), "71,002"],
  ];
  const field = (id, label, control) => `<div class="govuk-form-group"><label class="govuk-label" for="${id}">${label}</label>${control}</div>`;
  return `<h2 class="govuk-heading-l">${t("Access log", "查询日志")}</h2>
    <details class="tacit-filter" data-module="tacit-filter" open>
      <summary class="tacit-filter__summary">${t("Filter", "筛选")}</summary>
      <form class="tacit-filter__form" method="get" action="/entries">
        <div class="tacit-filter__fields">
          ${field("from", t("From", "自"), '<input class="govuk-input" id="from" name="from" type="date" value="2026-11-01">')}
          ${field("to", t("Until", "至"), '<input class="govuk-input" id="to" name="to" type="date">')}
          ${field("agency", t("Agency", "机构"), `<select class="govuk-select" id="agency" name="agency"><option value="">${t("All", "全部")}</option><option>${t("City Procurement Office", "市政府采购中心")}</option></select>`)}
          ${field("purpose", t("Purpose", "目的"), `<select class="govuk-select" id="purpose" name="purpose"><option value="">${t("All", "全部")}</option></select>`)}
        </div>
        <div class="tacit-filter__actions"><button class="govuk-button" type="submit">${t("Apply", "应用")}</button><a class="govuk-link" href="/entries">${t("Clear all", "全部清除")}</a></div>
      </form>
    </details>
    <ul class="tacit-chips" aria-label="${t("Filters set", "已设筛选")}"><li><a class="tacit-chips__link" href="/entries"><span class="govuk-visually-hidden">${t("Remove filter:", "移除筛选：")} </span>${t("from 1 Nov 2026", "自 2026年11月1日")}</a></li></ul>
    <table class="govuk-table tacit-table--cards tacit-table--dense" data-module="tacit-cards">
      <caption class="govuk-table__caption govuk-table__caption--m">${t("3 of 1,204 entries", "1,204 条记录中的 3 条")}</caption>
      <thead class="govuk-table__head"><tr class="govuk-table__row">${columns.map((name, at) => `<th scope="col" class="govuk-table__header${at === 6 ? " govuk-table__header--numeric" : ""}">${name}</th>`).join("")}</tr></thead>
      <tbody class="govuk-table__body">
        ${entries
          .map(
            (cells) => `<tr class="govuk-table__row">${cells
              .map((cell, at) =>
                at === 0
                  ? `<th scope="row" class="govuk-table__header" data-label="${columns[at]}"><a class="govuk-link" href="/entries/1">${cell}</a></th>`
                  : `<td class="govuk-table__cell${at === 6 ? " govuk-table__cell--numeric" : ""}" data-label="${columns[at]}">${cell}</td>`,
              )
              .join("")}</tr>`,
          )
          .join("\n        ")}
      </tbody>
    </table>
    <nav class="govuk-pagination" aria-label="${t("Pages", "分页")}">
      <div class="govuk-pagination__prev"><a class="govuk-link govuk-pagination__link" href="?after=9" rel="prev"><svg class="govuk-pagination__icon govuk-pagination__icon--prev" xmlns="http://www.w3.org/2000/svg" height="13" width="15" aria-hidden="true" focusable="false" viewBox="0 0 15 13"><path d="m6.5938-0.0078125-6.7266 6.7266 6.7441 6.4062 1.377-1.449-4.1856-3.9768h12.896v-2h-12.984l4.2931-4.293-1.414-1.414z"></path></svg><span class="govuk-pagination__link-title">${t("Newer", "较新")}</span></a></div>
      <p class="govuk-body tacit-pagination__here">${t("Page 2 of 40", "第 2 页，共 40 页")}</p>
      <div class="govuk-pagination__next"><a class="govuk-link govuk-pagination__link" href="?before=9" rel="next"><span class="govuk-pagination__link-title">${t("Older", "较早")}</span><svg class="govuk-pagination__icon govuk-pagination__icon--next" xmlns="http://www.w3.org/2000/svg" height="13" width="15" aria-hidden="true" focusable="false" viewBox="0 0 15 13"><path d="m8.107-0.0078125-1.4136 1.414 4.2926 4.293h-12.986v2h12.896l-4.1855 3.9766 1.377 1.4492 6.7441-6.4062-6.7246-6.7266z"></path></svg></a></div>
    </nav>
    <div class="tacit-empty"><p class="govuk-body">${t("Nobody asked between 1 and 21 November 2026. Logs go back to 3 May 2025.", "2026年11月1日至21日没有人查询。日志最早到 2025年5月3日。")}</p></div>`;
}

const state = (kind, words) => `<span class="tacit-state tacit-state--${kind}">${words}</span>`;

function proofs(t) {
  const copy = `data-module="tacit-copy" data-copy="${t("Copy", "复制")}" data-copied="${t("Copied", "已复制")}"`;
  return `<h2 class="govuk-heading-l">${t("Proof", "证明")}</h2>
    <p class="govuk-body">${state("verified", t("Verified to tree size 104,240, signed 21 Nov 2026, 10:33; 12 of 12 holders cosigned", "已核验至树大小 104,240，签署于 2026年11月21日 10:33，12 个持有方全部会签"))}</p>
    <h3 class="govuk-heading-s">${t("Hash of the record", "记录的哈希值")}</h3>
    <div class="tacit-proof" ${copy} data-copy-label="${t("Copy the hash of the record", "复制记录的哈希值")}"><code>${HASH}</code></div>
    <h3 class="govuk-heading-s">${t("Check it yourself", "自行核验")}</h3>
    <div class="tacit-proof" ${copy} data-copy-label="${t("Copy the command", "复制命令")}"><pre>tacit log verify entry-104233.json --origin log.example/tacit \\
  --witness ${HASH.slice(0, 44)}</pre></div>
    <h3 class="govuk-heading-s" id="job-title">${t("Verifying the log", "正在核验日志")}</h3>
    <div class="tacit-progress" id="job" data-seconds="2">
      <progress class="tacit-progress__bar" max="104240" value="64000" aria-labelledby="job-title"></progress>
      <p class="tacit-progress__text" data-say>${t("64,000 of 104,240 records", "104,240 条记录中的 64,000 条")}</p>
    </div>`;
}

function overview(t) {
  const tile = (name, value) => `<div class="tacit-figures__tile"><dt>${name}</dt><dd>${value}</dd></div>`;
  return `<h2 class="govuk-heading-l">${t("This week", "本周")}</h2>
    <dl class="tacit-figures">
      ${tile(t("Checks answered", "已答复的查询"), "1,204")}
      ${tile(t("Refused", "已拒绝"), "37")}
      ${tile(t("Consents in force", "有效的同意"), "812")}
      ${tile(t("Holders that cosign", "会签的持有方"), "12/12")}
    </dl>
    <div class="tacit-columns">${bars(t)}${lines(t)}</div>`;
}

const DAYS = [
  ["15", 120, 4], ["16", 181, 6], ["17", 164, 3], ["18", 202, 9], ["19", 176, 5], ["20", 221, 7], ["21", 140, 3],
];
const TOP = 20;
const BASE = 180;
const height = (value, most) => ((BASE - TOP) * value) / most;

function frame(most) {
  const at = (part) => BASE - (BASE - TOP) * part;
  return [0, 0.5, 1]
    .map((part) => `<line class="tacit-chart__${part ? "grid" : "axis"}" x1="10%" x2="100%" y1="${at(part)}" y2="${at(part)}"/><text x="9%" y="${at(part) + 4}" text-anchor="end">${most * part}</text>`)
    .join("");
}

function days(t) {
  return DAYS.map(([day], at) => `<text class="${at % 2 ? "tacit-chart__minor" : ""}" x="${16.5 + at * 12.8}%" y="200" text-anchor="middle">${t(`Nov ${day}`, `11/${day}`)}</text>`).join("");
}

function figure(t, id, title, summary, drawing) {
  return `<figure class="tacit-chart">
      <figcaption class="tacit-chart__caption" id="${id}">${title}</figcaption>
      <ul class="tacit-chart__legend">
        <li><svg class="tacit-chart__key tacit-chart__svg" aria-hidden="true">${drawing.key(1)}</svg>${t("Answered", "已答复")}</li>
        <li><svg class="tacit-chart__key tacit-chart__svg" aria-hidden="true">${drawing.key(2)}</svg>${t("Refused, times ten", "已拒绝（×10）")}</li>
      </ul>
      <svg class="tacit-chart__svg" height="210" role="img" aria-labelledby="${id}-summary"><title id="${id}-summary">${summary}</title>${frame(240)}${drawing.body}${days(t)}</svg>
      <details class="govuk-details"><summary class="govuk-details__summary"><span class="govuk-details__summary-text">${t("The numbers as a table", "数据表")}<span class="govuk-visually-hidden">: ${title}</span></span></summary>
        <div class="govuk-details__text"><div class="tacit-scroll" tabindex="0" role="region" aria-labelledby="${id}">
          <table class="govuk-table tacit-table--dense"><caption class="govuk-visually-hidden">${title}</caption><thead class="govuk-table__head"><tr class="govuk-table__row"><th scope="col" class="govuk-table__header">${t("Day", "日期")}</th><th scope="col" class="govuk-table__header govuk-table__header--numeric">${t("Answered", "已答复")}</th><th scope="col" class="govuk-table__header govuk-table__header--numeric">${t("Refused", "已拒绝")}</th></tr></thead>
          <tbody class="govuk-table__body">${DAYS.map(([day, yes, no]) => `<tr class="govuk-table__row"><th scope="row" class="govuk-table__header">${t(`Nov ${day}`, `11月${day}日`)}</th><td class="govuk-table__cell govuk-table__cell--numeric">${yes}</td><td class="govuk-table__cell govuk-table__cell--numeric">${no}</td></tr>`).join("")}</tbody></table>
        </div></div>
      </details>
    </figure>`;
}

function bars(t) {
  const bar = (at, offset, value, series) => `<rect class="tacit-chart__bar tacit-chart__bar--${series}" x="${11.5 + at * 12.8 + offset}%" width="4%" y="${BASE - height(value, 240)}" height="${height(value, 240)}"/>`;
  return figure(t, "chart-1", t("Checks per day", "每日查询"), t("Most checks on 20 November: 221", "11月20日查询最多：221 次"), {
    key: (series) => `<rect class="tacit-chart__bar tacit-chart__bar--${series}" x="1" y="1" width="20" height="12"/>`,
    body: DAYS.map(([, yes, no], at) => bar(at, 0.4, yes, 1) + bar(at, 5.6, no * 10, 2)).join(""),
  });
}

function lines(t) {
  const x = (at) => 16.5 + at * 12.8;
  const y = (value) => BASE - height(value, 240);
  const series = (name, pick) =>
    DAYS.slice(1).map((day, at) => `<line class="tacit-chart__line tacit-chart__line--${name}" x1="${x(at)}%" y1="${y(pick(DAYS[at]))}" x2="${x(at + 1)}%" y2="${y(pick(day))}"/>`).join("") +
    DAYS.map((day, at) => `<circle class="tacit-chart__point tacit-chart__point--${name}" cx="${x(at)}%" cy="${y(pick(day))}" r="4"/>`).join("");
  return figure(t, "chart-2", t("Answered and refused", "答复与拒绝"), t("Refusals follow the checks", "拒绝随查询增减"), {
    key: (name) => `<line class="tacit-chart__line tacit-chart__line--${name}" x1="1" x2="21" y1="7" y2="7"/>`,
    body: series(1, (day) => day[1]) + series(2, (day) => day[2] * 10),
  });
}

function form(t) {
  const choice = (kind, name, id, text, hint = "") =>
    `<div class="govuk-${kind}__item"><input class="govuk-${kind}__input" id="${id}" name="${name}" type="${kind === "radios" ? "radio" : "checkbox"}" value="${id}"${hint ? ` aria-describedby="${id}-hint"` : ""}><label class="govuk-label govuk-${kind}__label" for="${id}">${text}</label>${hint ? `<div id="${id}-hint" class="govuk-hint govuk-${kind}__hint">${hint}</div>` : ""}</div>`;
  const date = (name, label, width) => `<div class="govuk-date-input__item"><div class="govuk-form-group"><label class="govuk-label govuk-date-input__label" for="until-${name}">${label}</label><input class="govuk-input govuk-date-input__input govuk-input--width-${width}" id="until-${name}" name="until-${name}" type="text" inputmode="numeric"></div></div>`;
  return `<h2 class="govuk-heading-l">${t("One check", "单次查询")}</h2>
    <form method="post" action="/check" data-module="tacit-submit" novalidate>
      <div class="govuk-form-group govuk-form-group--error">
        <label class="govuk-label govuk-label--s" for="code">${t("Code of the company or person", "企业或个人的号码")}</label>
        <div id="code-hint" class="govuk-hint">${t("18 characters, as on the document", "18 位，与证件一致")}</div>
        <p id="code-error" class="govuk-error-message"><span class="govuk-visually-hidden">${t("Error:", "错误：")}</span> ${t("The characters do not agree; compare with the document.", "号码的校验不符，请与证件核对。")}</p>
        <input class="govuk-input govuk-input--error govuk-input--width-20" id="code" name="code" type="text" autocomplete="off" spellcheck="false" aria-describedby="code-hint code-error" value="91350211M00010006E">
      </div>
      <div class="govuk-form-group">
        <fieldset class="govuk-fieldset"><legend class="govuk-fieldset__legend govuk-fieldset__legend--s">${t("Which list", "哪个名单")}</legend>
          <div class="govuk-radios" data-module="govuk-radios">${choice("radios", "list", "list-1", t("judgment defaulters", "失信被执行人"), t("held by the High Court", "由高级人民法院持有"))}${choice("radios", "list", "list-2", t("tax arrears", "欠税"))}</div>
        </fieldset>
      </div>
      <div class="govuk-form-group">
        <fieldset class="govuk-fieldset"><legend class="govuk-fieldset__legend govuk-fieldset__legend--s">${t("What you allow", "您允许的内容")}</legend>
          <div class="govuk-checkboxes" data-module="govuk-checkboxes">${choice("checkboxes", "allow", "allow-1", t("Whether I am listed", "我是否被列入"))}${choice("checkboxes", "allow", "allow-2", t("Category and dates", "类别与日期"))}</div>
        </fieldset>
      </div>
      <div class="govuk-form-group"><label class="govuk-label govuk-label--s" for="why">${t("Purpose", "目的")}</label><select class="govuk-select" id="why" name="why"><option value="">${t("Choose", "请选择")}</option><option>${t("Vendor selection in public procurement", "政府采购供应商资格审查")}</option></select></div>
      <div class="govuk-form-group">
        <fieldset class="govuk-fieldset" role="group" aria-describedby="until-hint"><legend class="govuk-fieldset__legend govuk-fieldset__legend--s">${t("Allowed until", "允许至")}</legend>
          <div id="until-hint" class="govuk-hint">${t("For example 31 3 2027", "例如 2027年3月31日")}</div>
          <div class="govuk-date-input" id="until">${t(date("day", "Day", 2) + date("month", "Month", 2) + date("year", "Year", 4), date("year", "年", 4) + date("month", "月", 2) + date("day", "日", 2))}</div>
        </fieldset>
      </div>
      <div class="govuk-form-group govuk-character-count" data-module="govuk-character-count" data-maxlength="2000" data-i18n.characters-under-limit.other="${t("You have %{count} characters remaining", "还可输入 %{count} 个字符")}" data-i18n.characters-at-limit="${t("You have 0 characters remaining", "已到字数上限")}" data-i18n.characters-over-limit.other="${t("You have %{count} characters too many", "超出 %{count} 个字符")}">
        <label class="govuk-label govuk-label--s" for="reason">${t("Why you object", "异议理由")}</label>
        <textarea class="govuk-textarea govuk-js-character-count" id="reason" name="reason" rows="4" aria-describedby="reason-info"></textarea>
        <div id="reason-info" class="govuk-hint govuk-character-count__message">${t("You can enter up to 2000 characters", "最多 2000 个字符")}</div>
      </div>
      <div class="govuk-form-group"><label class="govuk-label govuk-label--s" for="file">${t("A batch (CSV or Excel)", "批量文件（CSV 或 Excel）")}</label><input class="govuk-file-upload" id="file" name="file" type="file"></div>
      <div class="govuk-button-group">
        <button type="submit" class="govuk-button" data-module="govuk-button" data-prevent-double-click="true">${t("Check", "查询")}</button>
        <button type="submit" class="govuk-button govuk-button--secondary" name="keep" value="1">${t("Keep for later", "留待以后")}</button>
        <button type="submit" class="govuk-button govuk-button--warning" name="withdraw" value="1">${t("Withdraw consent", "撤回同意")}</button>
        <button type="button" class="govuk-button govuk-button--secondary" data-module="tacit-print" hidden>${t("Print", "打印")}</button>
        <a class="govuk-link" href="/">${t("Cancel", "取消")}</a>
      </div>
    </form>`;
}

function tasks(t) {
  const item = (id, name, hint, status) => `<li class="govuk-task-list__item govuk-task-list__item--with-link"><div class="govuk-task-list__name-and-hint"><a class="govuk-link govuk-task-list__link" href="/letters/${id}" aria-describedby="task-${id}">${name}</a><div class="govuk-task-list__hint">${hint}</div></div><div class="govuk-task-list__status" id="task-${id}">${status}</div></li>`;
  return `<h2 class="govuk-heading-l">${t("Letters and objections", "通知与异议")}</h2>
    <ul class="govuk-task-list">
      ${item(1, t("Notice of a listing", "列入通知"), t("Object by 4 December 2026", "2026年12月4日前可提出异议"), `<strong class="govuk-tag">${t("To do", "待办")}</strong>`)}
      ${item(2, t("Your objection of 2 November", "您 11月2日的异议"), t("The holder decides by 23 November 2026", "持有方应于 2026年11月23日前决定"), t("Sent", "已发送"))}
    </ul>`;
}

function foot(t) {
  return `<footer class="tacit-footer">
  <div class="govuk-width-container">
    <ul class="tacit-footer__links">
      <li><a class="tacit-footer__link" href="/help">${t("Help", "帮助")}</a></li>
      <li><a class="tacit-footer__link" href="/privacy">${t("Privacy", "隐私")}</a></li>
      <li><a class="tacit-footer__link" href="/accessibility">${t("Accessibility", "无障碍")}</a></li>
    </ul>
    <p class="tacit-footer__text">${t("Tacit answers one question about one list. What was asked, by whom and why is in a log that anyone can verify.", "Tacit 只就一份名单回答一个问题。谁在何时为何查询，都记入人人可核验的日志。")}</p>
    <p class="tacit-print-only">${t("Printed 21 Nov 2026, 10:40", "打印于 2026年11月21日 10:40")}</p>
  </div>
</footer>`;
}
