-- Questions to world.sql:  tandemdb run examples/world.sql examples/queries.sql

-- How many countries has each continent, and how many currencies?
SELECT continent.name AS continent, count(country.code) AS countries, count(DISTINCT currency_code) AS currencies
FROM continent LEFT JOIN country ON continent_code = continent.code
GROUP BY continent.code
ORDER BY countries DESC, continent;

-- Which currencies are shared by most countries?
SELECT currency.name AS currency, count(*) AS countries
FROM country JOIN currency ON currency.code = currency_code
GROUP BY currency.code HAVING count(*) > 2
ORDER BY countries DESC, currency;

-- Languages that are official on more than two continents.
SELECT language.name AS language, count(DISTINCT continent_code) AS continents, count(*) AS countries
FROM country_language
JOIN country ON country.code = country_code
JOIN language ON language.code = language_code
GROUP BY language.code HAVING continents > 2
ORDER BY continents DESC, countries DESC;

-- Capitals named like their country.
SELECT name, capital FROM country WHERE capital LIKE name || '%' ORDER BY name;

-- Elements discovered per half century.
SELECT CASE WHEN discovered IS NULL THEN 'antiquity' ELSE (discovered / 50 * 50) || 's' END AS since, count(*) AS elements,
    group_concat(symbol, ' ') AS symbols
FROM (SELECT * FROM element ORDER BY discovered, number)
GROUP BY since
ORDER BY min(coalesce(discovered, 0));

-- Elements that share a name with a planet.
SELECT element.name, symbol, position AS planet FROM element JOIN planet USING (name);

-- Who discovered moons of more than one planet?
SELECT discoverer, count(DISTINCT planet_position) AS planets, count(*) AS moons
FROM moon WHERE discoverer IS NOT NULL
GROUP BY discoverer HAVING planets > 1
ORDER BY moons DESC, discoverer;

-- The earliest and the latest Easter, and how often it falls in March.
SELECT min(substr(easter, 6)) AS earliest, max(substr(easter, 6)) AS latest,
    sum(substr(easter, 6, 2) = '03') AS in_march, count(*) AS years
FROM calendar_year;

-- Fridays the 13th.
SELECT year, count(*) AS fridays, group_concat(month, ', ') AS months
FROM calendar_day WHERE weekday = 'Friday' AND day LIKE '%-13'
GROUP BY year ORDER BY year;

-- The numbers up to 500 with most different prime factors.
WITH counted AS (SELECT number, count(*) AS different FROM factor GROUP BY number)
SELECT number, (SELECT group_concat(prime_value || CASE exponent WHEN 1 THEN '' ELSE '^' || exponent END, ' * ')
    FROM (SELECT * FROM factor AS f WHERE f.number = counted.number ORDER BY prime_value)) AS factors
FROM counted WHERE different = (SELECT max(different) FROM counted)
ORDER BY number;

-- Twin primes: the widest gap between one pair and the next.
WITH twin AS (
    SELECT p.value AS low FROM prime AS p JOIN prime AS q ON q.position = p.position + 1 WHERE q.value = p.value + 2
)
SELECT low, (SELECT min(later.low) FROM twin AS later WHERE later.low > twin.low) - low AS gap
FROM twin ORDER BY gap DESC, low LIMIT 3;
