import type { SiteLocation } from '../../../src/contract/target';
import { KedgeError } from '../../../src/contract/errors';
import { proofOf, refusesAnew } from '../../../src/core/web/proof';
import type { ProbeAnswer } from '../../../src/core/web/web-server';
import { testOperation } from '../../helpers/operation';

const site = { uri: 'a.example', healthPath: '/start' } as SiteLocation;
const withLogin = { ...site, probe: { user: 'u', password: { file: '/p' } } } as SiteLocation;

function answer(status: number, more: Partial<ProbeAnswer> = {}): ProbeAnswer {
  const title = status === 200 ? 'Start' : null;
  return { status, retryAfter: null, location: null, challenge: null, mark: { status, title }, ...more };
}

/** An application that answers what it is asked for; what it is not told of, it answers as PHP without the file does. */
function application(answers: Record<string, ProbeAnswer>) {
  const asked: string[] = [];
  return {
    asked,
    askApplication(_: SiteLocation, pathOrUrl: string): Promise<ProbeAnswer> {
      asked.push(pathOrUrl);
      return Promise.resolve(answers[pathOrUrl] ?? answer(404));
    },
  };
}

describe('a visitor that got a page or a failure', () => {
  test.each([
    [200, true],
    [204, true],
    [500, false],
    [503, false],
  ])('%d says all there is', async (status, proven) => {
    const web = application({});
    expect(await proofOf(web, site, answer(status), testOperation())).toMatchObject({ proven, advice: null });
    expect(web.asked).toEqual([]);
  });
});

describe.each([301, 302, 401, 403, 404, 410])('a visitor that is answered %d', (status) => {
  test('has a site that works when its application does', async () => {
    const web = application({ '/start': answer(200) });
    expect(await proofOf(web, site, answer(status), testOperation())).toEqual({
      mark: { status: 200, title: 'Start' },
      proven: true,
      advice: null,
    });
  });

  test('has a broken one when its application fails', async () => {
    const web = application({ '/start': answer(500) });
    expect(await proofOf(web, site, answer(status), testOperation())).toMatchObject({
      mark: { status: 500 },
      proven: false,
    });
  });

  test.each([
    ['is not there', application({})],
    ['refuses as well', application({ '/start': answer(401) })],
    ['redirects to its installation', application({ '/start': answer(302, { location: '/install.php' }) })],
    ['redirects to a login elsewhere', application({ '/start': answer(302, { location: 'https://sso.example/in' }) })],
    ['does not answer', { askApplication: () => Promise.reject(new KedgeError('ProbeFailed', 'no PHP')) }],
  ])('proves nothing where its application %s', async (_, web) => {
    const { proven, advice } = await proofOf(web, site, answer(status), testOperation());
    expect(proven).toBe(false);
    expect(advice).toMatch(
      /a\.example answers \d+ at \/start.* does not prove that it works: set `(?:probe:|healthPath)` of/,
    );
  });
});

test('what goes wrong while the application is asked, and is no answer of it, is not passed over', async () => {
  const web = { askApplication: () => Promise.reject(new TypeError('a mistake')) };
  await expect(proofOf(web, site, answer(403), testOperation())).rejects.toThrow('a mistake');
});

test.each([
  ['its name and scheme', 'http://www.a.example:8080/start'],
  ['a slash at its end', '/start/'],
  ['both at once', 'https://www.a.example/start/'],
])('an application that redirects to the same page with another %s is asked there', async (_, to) => {
  const web = application({ '/start': answer(301, { location: to }), [to]: answer(200) });
  expect(await proofOf(web, site, answer(401), testOperation())).toMatchObject({ proven: true });
  expect(web.asked).toEqual(['/start', to]);
});

test('a web server that redirects to the other scheme is followed by asking the application as that', async () => {
  const to = 'https://a.example/start';
  const web = application({ [to]: answer(200) });
  expect(await proofOf(web, site, answer(301, { location: to }), testOperation())).toMatchObject({ proven: true });
  expect(web.asked).toEqual([to]);
});

test.each([
  ['to where it was asked', ['/start']],
  ['in a circle', ['http://a.example/start', 'https://a.example/start']],
])('an application that redirects %s ends, and proves nothing', async (_, circle) => {
  const redirects = Object.fromEntries(
    ['/start', ...circle].map((from, at) => [from, answer(302, { location: circle[at % circle.length] as string })]),
  );
  const { proven, advice } = await proofOf(application(redirects), site, answer(401), testOperation());
  expect(proven).toBe(false);
  expect(advice).toContain('answers 302');
});

test('what says nothing of the same page is not followed', async () => {
  for (const location of ['//evil.example/start', 'ftp://a.example/start', 'http://', 'http://a.example/startle']) {
    const web = application({ '/start': answer(302, { location }) });
    expect(await proofOf(web, site, answer(401), testOperation())).toMatchObject({ proven: false });
    expect(web.asked).toEqual(['/start']);
  }
});

test('a `probe:` that is refused is said, also where the application was asked', async () => {
  const web = application({ '/start': answer(200) });
  const basic = answer(401, { challenge: 'Basic realm="x"' });
  expect(await proofOf(web, withLogin, basic, testOperation())).toMatchObject({
    proven: true,
    advice: 'a.example answers 401 to the user of its `probe:`: set it to a user and a password that get in',
  });
  const digest = answer(401, { challenge: 'Digest realm="x", nonce="y"' });
  expect((await proofOf(web, withLogin, digest, testOperation())).advice).toContain('asks for Digest authentication');
});

test('visitors that are refused, and were not before, are told from those that always are', () => {
  expect(refusesAnew(answer(403), 200)).toBe(true);
  expect(refusesAnew(answer(404), 500)).toBe(true);
  expect(refusesAnew(answer(403), null)).toBe(true);
  expect(refusesAnew(answer(403), 403)).toBe(false);
  expect(refusesAnew(answer(401), 404)).toBe(false);
  expect(refusesAnew(answer(301), 200)).toBe(false);
  expect(refusesAnew(answer(200), 403)).toBe(false);
});
