// Who can log in at the test provider: `account`, `title` and `claims`, as the portal's development login has them too.
// TACIT_OIDC_ACCOUNTS names a JSON file of the same shape, which may change, for a federation whose lists hold other codes.
import { readFileSync } from "node:fs";

const company = (code, name, scopes, until) => ({ scheme: "CN-USCC", code, name, scopes, until });

const ACCOUNTS = [
  {
    account: "lin",
    title: "Lin Mei, a person",
    claims: { name: "Lin Mei", subject_scheme: "CN-RID", subject_code: "11010519491231002X" },
  },
  {
    account: "harbor",
    title: "Xiamen Harbor Trading, a company",
    claims: { name: "Xiamen Harbor Trading", subject_scheme: "CN-USCC", subject_code: "91350211M00010006D" },
  },
  {
    account: "guo",
    title: "Guo Wei, who acts for others",
    claims: {
      name: "Guo Wei",
      subject_scheme: "CN-RID",
      subject_code: "350211198504120011",
      mandates: [
        company("91350211M00010006D", "Xiamen Harbor Trading", ["read", "check", "consent", "object"], "2099-01-01T00:00:00Z"),
        // Ended.
        company("91350211MA310002XQ", "Lujiang Paper", ["read", "consent"], "2026-01-01T00:00:00Z"),
        // To look, and nothing else.
        company("91350211MA3100038Q", "Gulangyu Ferries", ["read"], "2099-01-01T00:00:00Z"),
        { scheme: "CN-RID", code: "350211201706010026", name: "Guo Xin, a child", scopes: ["read", "object"], until: "2035-06-01T00:00:00Z" },
      ],
    },
  },
  { account: "zhao", title: "Zhao, an auditor", claims: { name: "Zhao Min", roles: ["auditor"] } },
  { account: "qian", title: "Qian, another auditor", claims: { name: "Qian Li", roles: ["auditor"] } },
  { account: "chen", title: "Chen, an officer", claims: { name: "Chen Bo", roles: ["officer"] } },
  { account: "sun", title: "Sun, an officer who decides objections", claims: { name: "Sun Jia", roles: ["officer", "decides"] } },
  { account: "wu", title: "Wu, a clerk at the counter", claims: { name: "Wu Fang", roles: ["clerk"] } },
  { account: "stranger", title: "Somebody without code or role", claims: { name: "Xu An" } },
];

/** The accounts of a file, or those above. */
export function accounts(file = process.env.TACIT_OIDC_ACCOUNTS) {
  return file ? JSON.parse(readFileSync(file, "utf8")) : ACCOUNTS;
}
