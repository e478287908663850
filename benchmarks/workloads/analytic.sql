-- filter and count
SELECT count(*) FROM item WHERE amount > 2500 AND note IS NOT NULL
-- sum and avg of expressions
SELECT sum(amount * 2 + grp), avg(amount) FROM item
-- group by, 10 groups
SELECT parent % 10, count(*), sum(amount), max(id) FROM item GROUP BY 1 ORDER BY 1
-- group by, 1,000 groups
SELECT parent, count(*), sum(amount) FROM item GROUP BY parent ORDER BY parent
-- group by, 95k groups
SELECT count(*) FROM (SELECT code FROM item GROUP BY code HAVING count(*) > 1)
-- group by grp (key order)
SELECT count(*), sum(n) FROM (SELECT grp, count(*) AS n FROM item GROUP BY grp)
-- count(distinct)
SELECT count(DISTINCT code) FROM item
-- key join 100k x 1k
SELECT count(*), min(p.name) FROM item i JOIN parent p ON p.id = i.parent WHERE i.amount > 2500
-- many-to-many join
SELECT count(*) FROM member a JOIN member b ON b.left_id = a.right_id WHERE a.left_id < 400
-- three-way star join
SELECT r.name, sum(i.amount) FROM item i JOIN parent p ON p.id = i.parent JOIN region r ON r.id = p.region
  GROUP BY r.name ORDER BY r.name
-- left join
SELECT count(*), count(m.left_id) FROM parent p LEFT JOIN member m ON m.left_id = p.id * 5
-- anti join
SELECT count(*) FROM parent p WHERE NOT EXISTS (SELECT 1 FROM member m WHERE m.left_id = p.id AND m.right_id <
  100)
-- correlated EXISTS
SELECT count(*) FROM parent p WHERE EXISTS (SELECT 1 FROM item i WHERE i.grp = p.id AND i.amount > 9500)
-- IN subquery
SELECT count(*), sum(amount) FROM item WHERE parent IN (SELECT id FROM parent WHERE region = 3)
-- scalar subquery
SELECT id, (SELECT count(*) FROM item i WHERE i.grp = p.id) FROM parent p ORDER BY id
-- row_number by partition
SELECT sum(n) FROM (SELECT row_number() OVER (PARTITION BY parent ORDER BY amount, id) AS n FROM item WHERE id
  <= 20000)
-- running sum by partition
SELECT max(s), count(*) FROM (SELECT sum(amount) OVER (PARTITION BY parent ORDER BY id) AS s FROM item WHERE
  id <= 20000)
-- recursive CTE of 100k
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT count(*), sum(i) FROM
  n
-- UNION
SELECT count(*) FROM (SELECT parent FROM item UNION SELECT left_id FROM member)
-- INTERSECT
SELECT count(*) FROM (SELECT parent FROM item INTERSECT SELECT right_id FROM member)
-- DISTINCT
SELECT count(*) FROM (SELECT DISTINCT parent, id % 3 FROM item)
-- order by two columns
SELECT id FROM item WHERE id <= 20000 ORDER BY parent, amount DESC, id LIMIT 5
-- order by, all rows
SELECT id FROM item WHERE id <= 20000 ORDER BY amount, id
-- CASE
SELECT sum(CASE WHEN amount < 100 THEN 1 WHEN amount < 5000 THEN 2 ELSE 3 END) FROM item
-- string functions
SELECT count(*), max(upper(substr(code, 2, 3)) || length(note)) FROM item WHERE id <= 30000
-- LIKE scan
SELECT count(*) FROM item WHERE note LIKE '%99%'
-- json_extract
SELECT sum(json_extract(body, '$.size')), max(json_extract(body, '$.at.x')) FROM document
