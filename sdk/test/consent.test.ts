import assert from "node:assert/strict";
import { test } from "node:test";
import { Consent, PublisherConsent } from "../src/consent.ts";
import { tcfVerdict, type TcData } from "../src/tcf.ts";

const VENDOR = 77;
const granted: TcData = {
  gdprApplies: true,
  tcfPolicyVersion: 5,
  purpose: { consents: { 2: true, 7: true } },
  vendor: { consents: { [VENDOR]: true }, disclosedVendors: { [VENDOR]: true } },
};

test("a rule that throws denies, and one denial outweighs every allowance", () => {
  assert.equal(new Consent([() => "allow", () => { throw new Error("broken platform"); }]).verdict("measure"), "deny");
  assert.equal(new Consent([() => "hold", () => "deny", () => "allow"]).verdict("measure"), "deny");
  assert.equal(new Consent([() => "hold", () => "allow"]).verdict("measure"), "hold");
});

test("the publisher may be asked first, and may allow one thing and not another", () => {
  const said = new PublisherConsent(true);
  assert.equal(said.rule("tags"), "hold");
  said.set({ tags: true, measure: false });
  assert.deepEqual([said.rule("tags"), said.rule("measure"), said.rule("behaviour")], ["allow", "deny", "hold"]);
});

test("consent to purpose 7 for our vendor allows measurement", () => {
  assert.equal(tcfVerdict(granted, "measure", VENDOR), "allow");
  assert.equal(tcfVerdict({ ...granted, purpose: { consents: { 2: true } } }, "measure", VENDOR), "deny");
  assert.equal(tcfVerdict({ ...granted, vendor: { disclosedVendors: { [VENDOR]: true } } }, "measure", VENDOR), "deny");
});

test("legitimate interest will do, unless the publisher restricts the purpose to consent", () => {
  const data: TcData = {
    gdprApplies: true,
    purpose: { legitimateInterests: { 7: true } },
    vendor: { legitimateInterests: { [VENDOR]: true } },
  };
  assert.equal(tcfVerdict(data, "measure", VENDOR), "allow");
  assert.equal(tcfVerdict({ ...data, publisher: { restrictions: { 7: { [VENDOR]: 1 } } } }, "measure", VENDOR), "deny");
  assert.equal(tcfVerdict({ ...data, publisher: { restrictions: { 7: { [VENDOR]: 0 } } } }, "measure", VENDOR), "deny");
});

test("a vendor that was not disclosed is denied, also where the list is missing though the policy asks for it", () => {
  assert.equal(tcfVerdict({ ...granted, vendor: { ...granted.vendor, disclosedVendors: {} } }, "measure", VENDOR), "deny");
  assert.equal(tcfVerdict({ ...granted, vendor: { consents: { [VENDOR]: true } } }, "measure", VENDOR), "deny");
});

test("without a vendor id measurement is denied, tags follow the purpose; outside the GDPR all is allowed", () => {
  assert.equal(tcfVerdict(granted, "measure", 0), "deny");
  assert.equal(tcfVerdict(granted, "tags", 0), "allow");
  assert.equal(tcfVerdict({ ...granted, purpose: {} }, "tags", 0), "deny");
  assert.equal(tcfVerdict({ gdprApplies: false }, "measure", 0), "allow");
});
