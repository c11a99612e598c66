// Puts the parts together: one view after another, each with its own answers, layers and counts.

import { Answers } from "./answers.ts";
import { createCard, type Shown } from "./card.ts";
import { Consent, PublisherConsent, globalPrivacyControl } from "./consent.ts";
import type { Embed, MediaAnswer } from "./contract.ts";
import { eventRecorder } from "./events.ts";
import type * as Feedback from "./feedback.ts";
import { createFrames } from "./frames.ts";
import { listen, report, safe, showErrors } from "./guard.ts";
import { Layer } from "./layer.ts";
import { Listeners } from "./listeners.ts";
import { createMediaList, type Medium } from "./media.ts";
import { Overlay } from "./overlay.ts";
import { createQueue } from "./queue.ts";
import { watchMedia } from "./scanner.ts";
import { readSettings } from "./settings.ts";
import { createTagClient } from "./tag_client.ts";
import { tcfRule } from "./tcf.ts";
import { transport } from "./transport.ts";
import { watchRoutes } from "./routes.ts";
import type * as Video from "./video.ts";

declare const VIDEO_FILE: string;
declare const FEEDBACK_FILE: string;

export interface Core {
  refresh(): void;
  on(name: string, listener: (detail: unknown) => void): void;
  consent(state: unknown): void;
}

const part = <M>(file: string): Promise<M> => import(new URL(file, import.meta.url).href) as Promise<M>;

/** Of compareDocumentPosition: Node.DOCUMENT_POSITION_FOLLOWING, shorter. */
const FOLLOWING = 4;

/** A router tells the address first and draws the page afterwards. */
const SETTLE_MS = 150;

export const start = (embed: Embed): Core => {
  const settings = readSettings(embed);
  const { key, api } = settings;
  showErrors(settings.debug);

  const listeners = new Listeners();
  const said = new PublisherConsent(settings.wait);
  const permission = new Consent([said.rule, globalPrivacyControl, tcfRule(settings.tcfVendor, () => permission.changed())]);
  const queue = createQueue(key, transport(`${api}/v1/events`), (activity) => permission.verdict(activity), {
    now: () => performance.now(),
    later: (run, ms) => void setTimeout(safe(run), ms),
  });
  const events = eventRecorder(queue, (name, detail) => listeners.tell(name, detail));
  const answers = new Answers();
  const overlay = new Overlay();
  let feedback: Promise<(shown: Shown) => void> | undefined;
  const offer = (shown: Shown): void => {
    if (!settings.votes) return;
    feedback ??= part<typeof Feedback>(FEEDBACK_FILE).then(({ start }) => start(api, key, () => permission.verdict("measure")));
    feedback.then((it) => it(shown)).catch((error) => {
      // Perhaps the network was away: the next card asks again.
      feedback = undefined;
      report(error);
    });
  };
  const card = createCard(overlay, api, events.record, () => frames.ask(), offer);
  const client = createTagClient(api, key, (answer) => answered(answer));
  const mayShow = (): boolean => permission.verdict("tags") === "allow";

  const frames = createFrames((fresh) => {
    const layers = media.all().flatMap((it) => it.layer ?? []);
    if (layers.length) {
      overlay.attach();
      const toLayer = overlay.frame();
      for (const layer of layers) layer.place(toLayer, fresh);
    }
    card.place();
  });

  const cover = (medium: Medium, answer: MediaAnswer, limit: number): Layer => {
    const count = (type: "impression" | "viewable", token: string, tagId: string): void => {
      if (answers.first(type, token)) events.record(type, token, tagId);
    };
    const layer = new Layer(medium.el, answer.tags, limit, {
      bind: (spot) => card.bind(spot),
      drawn: ({ token, id }) => {
        count("impression", token, id);
        medium.exposure.drawn(() => count("viewable", token, id));
      },
    });
    medium.layer = layer;
    layer.onScreen = medium.share > 0;
    overlay.attach();
    // In the order of the page, which is the order of the Tab key.
    const next = media.all().find((it) => it.layer && medium.el.compareDocumentPosition(it.el) & FOLLOWING);
    overlay.root.insertBefore(layer.node, next?.layer?.node ?? null);
    frames.ask();
    return layer;
  };

  let filmModule: Promise<typeof Video> | undefined;
  const film = async (medium: Medium, el: HTMLVideoElement, answer: MediaAnswer): Promise<void> => {
    filmModule ??= part<typeof Video>(VIDEO_FILE);
    const { attach } = await filmModule;
    // Meanwhile the view may be another one.
    if (medium.layer || answers.fresh(answer.url) !== answer) return;
    const layer = cover(medium, answer, settings.maxVideo);
    medium.film = attach({ el, layer, moved: () => frames.ask(false), resized: () => frames.ask(), played: () => medium.exposure.update() });
  };

  const draw = (medium: Medium, answer: MediaAnswer): void => {
    if (answer.status !== "ready" || medium.layer) return;
    if (medium.el instanceof HTMLVideoElement) film(medium, medium.el, answer).catch(report);
    else cover(medium, answer, settings.maxImage);
  };

  const answered = (answer: MediaAnswer): void => {
    answers.keep(answer);
    listeners.tell("tags", { url: answer.url, status: answer.status, count: answer.tags.length });
    for (const medium of media.all()) if (medium.asked.url === answer.url) draw(medium, answer);
  };

  const want = (medium: Medium): void => {
    if (!mayShow()) return;
    medium.wanted = true;
    const known = answers.fresh(medium.asked.url);
    if (known) draw(medium, known);
    else client.want(medium.asked);
  };

  const media = createMediaList(settings.minSize, want, () => frames.ask(false));
  const scan = watchMedia(media.consider, () => frames.ask());

  const clear = (): void => {
    card.close();
    media.clear();
    client.forget();
  };

  watchRoutes(() => {
    clear();
    answers.clear();
    events.newView();
    listeners.tell("view", { url: location.href });
    setTimeout(safe(() => scan(document)), SETTLE_MS);
  });

  permission.onChange(() => {
    queue.flush();
    if (!mayShow()) return clear();
    scan(document);
    for (const medium of media.all()) if (medium.near) want(medium);
  });

  // Whoever goes by keyboard jumps over what lies between: hotspots of the whole page stand ready. Each is asked for once.
  listen(document, "keydown", (event) => {
    if ((event as KeyboardEvent).key !== "Tab") return;
    for (const medium of media.all()) if (!medium.wanted) want(medium);
  });
  listen(window, "focus blur", () => media.update());
  listen(document, "visibilitychange", () => {
    media.update();
    client.plan();
    if (document.visibilityState === "hidden") queue.flush(true);
  });
  listen(window, "pagehide", () => queue.flush(true));
  listen(document, "fullscreenchange", () => frames.follow());
  scan(document);

  return {
    refresh: () => scan(document),
    on: (name, listener) => listeners.add(name, listener),
    consent: (state) => {
      said.set(state);
      permission.changed();
    },
  };
};
