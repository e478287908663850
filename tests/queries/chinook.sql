Queries on the Chinook database, each under a line "-- name"; "!" after the name: the order of rows is total.

-- artist by key!
SELECT ArtistId, Name FROM Artist WHERE ArtistId = 50
-- missing key!
SELECT * FROM Artist WHERE ArtistId = 5000
-- count and extremes!
SELECT count(*), min(TrackId), max(TrackId), avg(Milliseconds), total(Bytes) FROM Track
-- first rows!
SELECT * FROM Genre ORDER BY GenreId LIMIT 5
-- page!
SELECT TrackId, Name FROM Track ORDER BY Name, TrackId LIMIT 10 OFFSET 100
-- order descending!
SELECT InvoiceId, Total FROM Invoice ORDER BY Total DESC, InvoiceId LIMIT 12
-- order by collation!
SELECT Name FROM Artist ORDER BY Name COLLATE NOCASE, Name LIMIT 30
-- like!
SELECT Name FROM Artist WHERE Name LIKE 'the %' ORDER BY Name
-- like with escape!
SELECT Name FROM Track WHERE Name LIKE '%\%%' ESCAPE '\' OR Name LIKE '%/_%' ESCAPE '/' ORDER BY TrackId LIMIT 20
-- glob!
SELECT Name FROM Artist WHERE Name GLOB '[A-C]*s' ORDER BY Name
-- between!
SELECT InvoiceId, InvoiceDate FROM Invoice WHERE InvoiceDate BETWEEN '2010-03-01' AND '2010-03-31' ORDER BY InvoiceId
-- in list!
SELECT TrackId, Name FROM Track WHERE TrackId IN (1, 5, 3000, 99999, 7) ORDER BY TrackId
-- not in list!
SELECT Name FROM MediaType WHERE MediaTypeId NOT IN (1, 2) ORDER BY Name
-- null tests!
SELECT count(*), count(Composer), sum(Composer IS NULL) FROM Track
-- three-valued logic!
SELECT count(*) FROM Customer WHERE NOT (Company = 'Apple Inc.' AND State IS NOT NULL)
-- inner join!
SELECT Album.Title, Artist.Name FROM Album JOIN Artist ON Artist.ArtistId = Album.ArtistId ORDER BY Album.AlbumId LIMIT 25
-- join using!
SELECT Title, Name FROM Album JOIN Artist USING (ArtistId) ORDER BY Title LIMIT 10
-- star of a join using!
SELECT * FROM Album JOIN Artist USING (ArtistId) ORDER BY AlbumId LIMIT 3
-- natural join!
SELECT AlbumId, Title, Name FROM Album NATURAL JOIN Artist ORDER BY AlbumId LIMIT 5
-- left join without match!
SELECT Artist.Name FROM Artist LEFT JOIN Album ON Album.ArtistId = Artist.ArtistId WHERE Album.AlbumId IS NULL ORDER BY 1 LIMIT 15
-- left join count!
SELECT a.Name, count(b.AlbumId) AS albums FROM Artist a LEFT JOIN Album b ON b.ArtistId = a.ArtistId GROUP BY a.ArtistId ORDER BY albums DESC, a.Name LIMIT 10
-- self join!
SELECT e.LastName || ' -> ' || coalesce(m.LastName, '-') AS line FROM Employee e LEFT JOIN Employee m ON m.EmployeeId = e.ReportsTo ORDER BY e.EmployeeId
-- five tables!
SELECT c.LastName, ar.Name, sum(il.Quantity) AS n FROM Customer c JOIN Invoice i ON i.CustomerId = c.CustomerId JOIN InvoiceLine il ON il.InvoiceId = i.InvoiceId JOIN Track t ON t.TrackId = il.TrackId JOIN Album al ON al.AlbumId = t.AlbumId JOIN Artist ar ON ar.ArtistId = al.ArtistId GROUP BY c.CustomerId, ar.ArtistId HAVING n > 4 ORDER BY n DESC, c.LastName, ar.Name
-- comma join!
SELECT count(*) FROM Track t, Genre g WHERE t.GenreId = g.GenreId AND g.Name = 'Jazz'
-- cross join!
SELECT g.Name, m.Name FROM Genre g CROSS JOIN MediaType m ORDER BY g.GenreId, m.MediaTypeId LIMIT 12
-- join on inequality!
SELECT count(*) FROM Employee a JOIN Employee b ON a.HireDate < b.HireDate
-- many to many!
SELECT p.Name, count(*), sum(t.Milliseconds) / 60000 FROM Playlist p JOIN PlaylistTrack pt ON pt.PlaylistId = p.PlaylistId JOIN Track t ON t.TrackId = pt.TrackId GROUP BY p.PlaylistId ORDER BY p.PlaylistId
-- right join!
SELECT count(*), count(al.AlbumId) FROM Album al RIGHT JOIN Artist ar ON ar.ArtistId = al.ArtistId
-- full join!
SELECT count(*), count(c.CustomerId), count(e.EmployeeId) FROM Customer c FULL JOIN Employee e ON c.SupportRepId = e.EmployeeId
-- group by country!
SELECT BillingCountry, count(*), round(sum(Total), 2), round(avg(Total), 3) FROM Invoice GROUP BY BillingCountry ORDER BY 3 DESC, 1
-- group by expression!
SELECT substr(InvoiceDate, 1, 4) AS year, count(*), round(sum(Total), 2) FROM Invoice GROUP BY year ORDER BY year
-- group by ordinal!
SELECT length(Name), count(*) FROM Artist GROUP BY 1 ORDER BY 1
-- having!
SELECT GenreId, count(*) FROM Track GROUP BY GenreId HAVING count(*) > 100 ORDER BY 2 DESC
-- having without group!
SELECT count(*) FROM Track HAVING count(*) > 3000
-- count distinct!
SELECT count(DISTINCT Composer), count(DISTINCT AlbumId), count(DISTINCT GenreId) FROM Track
-- distinct!
SELECT DISTINCT BillingCountry, BillingCity FROM Invoice ORDER BY 1, 2 LIMIT 30
-- distinct of an expression
SELECT DISTINCT UnitPrice * 100, MediaTypeId = 1 FROM Track
-- aggregate of nothing!
SELECT count(*), sum(Total), max(Total), total(Total), avg(Total), group_concat(Total) FROM Invoice WHERE InvoiceId < 0
-- group of nothing!
SELECT BillingCountry, count(*) FROM Invoice WHERE InvoiceId < 0 GROUP BY BillingCountry
-- filter clause!
SELECT count(*) FILTER (WHERE Total > 5), count(*) FILTER (WHERE Total <= 5) FROM Invoice
-- bare column with max!
SELECT AlbumId, max(Milliseconds), Name FROM Track GROUP BY AlbumId ORDER BY AlbumId LIMIT 20
-- group_concat!
SELECT MediaTypeId, group_concat(Name, '; ') FROM (SELECT * FROM MediaType ORDER BY Name) GROUP BY MediaTypeId ORDER BY 1
-- scalar subquery!
SELECT Name, (SELECT count(*) FROM Album WHERE Album.ArtistId = Artist.ArtistId) AS n FROM Artist ORDER BY n DESC, Name LIMIT 8
-- subquery in where!
SELECT Name, Milliseconds FROM Track WHERE Milliseconds > 5 * (SELECT avg(Milliseconds) FROM Track) ORDER BY TrackId
-- correlated in where!
SELECT t.TrackId, t.Name FROM Track t WHERE t.Milliseconds = (SELECT max(Milliseconds) FROM Track WHERE AlbumId = t.AlbumId) ORDER BY t.TrackId LIMIT 20
-- exists!
SELECT count(*) FROM Track t WHERE EXISTS (SELECT 1 FROM InvoiceLine il WHERE il.TrackId = t.TrackId)
-- not exists!
SELECT count(*) FROM Track t WHERE NOT EXISTS (SELECT 1 FROM InvoiceLine il WHERE il.TrackId = t.TrackId AND il.UnitPrice > 0.5)
-- in subquery!
SELECT Name FROM Artist WHERE ArtistId IN (SELECT ArtistId FROM Album GROUP BY ArtistId HAVING count(*) > 5) ORDER BY Name
-- not in subquery with null!
SELECT count(*) FROM Employee WHERE EmployeeId NOT IN (SELECT ReportsTo FROM Employee)
-- derived table!
SELECT round(avg(n), 3), max(n) FROM (SELECT count(*) AS n FROM InvoiceLine GROUP BY InvoiceId)
-- derived tables joined!
SELECT x.BillingCountry, x.n, y.m FROM (SELECT BillingCountry, count(*) AS n FROM Invoice GROUP BY BillingCountry) x JOIN (SELECT Country, count(*) AS m FROM Customer GROUP BY Country) y ON y.Country = x.BillingCountry ORDER BY 1
-- row value!
SELECT Title FROM Album WHERE (ArtistId, AlbumId) = (1, 4) OR (ArtistId, AlbumId) IN (SELECT 2, 2) ORDER BY 1
-- cte!
WITH sales AS (SELECT TrackId, sum(Quantity * UnitPrice) AS amount FROM InvoiceLine GROUP BY TrackId) SELECT g.Name, round(sum(amount), 2) FROM sales JOIN Track USING (TrackId) JOIN Genre g USING (GenreId) GROUP BY g.GenreId ORDER BY 2 DESC, 1
-- two ctes!
WITH big AS (SELECT * FROM Invoice WHERE Total > 10), per AS (SELECT CustomerId, count(*) AS n FROM big GROUP BY CustomerId) SELECT n, count(*) FROM per GROUP BY n ORDER BY n
-- cte used twice!
WITH y(year, amount) AS (SELECT CAST(substr(InvoiceDate, 1, 4) AS INTEGER), sum(Total) FROM Invoice GROUP BY 1) SELECT a.year, round(a.amount - b.amount, 2) AS growth FROM y a LEFT JOIN y b ON b.year = a.year - 1 ORDER BY 1
-- recursive count!
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT count(*), sum(i), max(i) FROM n
-- recursive tree!
WITH RECURSIVE chain(id, name, depth) AS (SELECT EmployeeId, LastName, 0 FROM Employee WHERE ReportsTo IS NULL UNION ALL SELECT e.EmployeeId, e.LastName, depth + 1 FROM Employee e JOIN chain ON e.ReportsTo = chain.id) SELECT depth, name FROM chain ORDER BY depth, name
-- union!
SELECT City FROM Customer UNION SELECT City FROM Employee ORDER BY 1
-- union all!
SELECT Country, 'customer' AS kind FROM Customer WHERE Country LIKE 'C%' UNION ALL SELECT Country, 'employee' FROM Employee ORDER BY 1, 2
-- intersect!
SELECT City FROM Customer INTERSECT SELECT City FROM Employee
-- except!
SELECT Country FROM Customer EXCEPT SELECT Country FROM Employee ORDER BY 1 LIMIT 10
-- three set operators
SELECT 1 UNION SELECT 2 EXCEPT SELECT 1 UNION ALL SELECT 2
-- values
VALUES (1, 'one'), (2, 'two'), (NULL, x'00')
-- case!
SELECT CASE WHEN Milliseconds < 180000 THEN 'short' WHEN Milliseconds < 300000 THEN 'middle' ELSE 'long' END AS length, count(*) FROM Track GROUP BY 1 ORDER BY 1
-- case with operand!
SELECT CASE MediaTypeId WHEN 1 THEN 'mpeg' WHEN 2 THEN 'aac' END, count(*) FROM Track GROUP BY 1 ORDER BY 1
-- text functions!
SELECT upper(Name), lower(Name), length(Name), substr(Name, 2, 3), instr(Name, 'a'), replace(Name, 'e', '3'), trim('  ' || Name || ' ') FROM Artist ORDER BY ArtistId LIMIT 40
-- text padding!
SELECT printf('%-12s|%5.2f|%05d', BillingCity, Total, InvoiceId) FROM Invoice ORDER BY InvoiceId LIMIT 10
-- initials!
SELECT substr(FirstName, 1, 1) || '.' || substr(LastName, 1, 1) || '.' AS initials, count(*) FROM Customer GROUP BY initials ORDER BY 2 DESC, 1 LIMIT 10
-- quote and hex!
SELECT quote(Name), hex(substr(Name, 1, 2)), unicode(Name), typeof(Name) FROM Artist ORDER BY ArtistId LIMIT 10
-- arithmetic!
SELECT TrackId, Milliseconds / 1000, Milliseconds % 1000, Milliseconds / 1000.0, -Bytes, round(UnitPrice * 1.25, 1) FROM Track ORDER BY TrackId LIMIT 10
-- null functions!
SELECT coalesce(Composer, 'nobody'), ifnull(Composer, ''), nullif(GenreId, 1), iif(Composer IS NULL, 'no', 'yes') FROM Track ORDER BY TrackId LIMIT 15
-- cast!
SELECT CAST(Total AS INTEGER), CAST(InvoiceId AS TEXT), CAST(BillingPostalCode AS INTEGER), typeof(CAST(Total AS TEXT)) FROM Invoice ORDER BY InvoiceId LIMIT 15
-- dates!
SELECT strftime('%Y-%m', InvoiceDate) AS month, count(*), julianday(max(InvoiceDate)) - julianday(min(InvoiceDate)) FROM Invoice GROUP BY month ORDER BY month LIMIT 6
-- order by a hidden column!
SELECT Name FROM Track WHERE AlbumId = 1 ORDER BY Milliseconds DESC
-- nulls last!
SELECT State FROM Customer ORDER BY State NULLS LAST, CustomerId LIMIT 40
-- limit in a subquery!
SELECT sum(Total) FROM (SELECT Total FROM Invoice ORDER BY Total DESC, InvoiceId LIMIT 10)
-- names of columns!
SELECT count(*), max( Total ) , Total+1, "Total" AS "a b", i.Total FROM Invoice i WHERE InvoiceId = 1
-- expression on both sides!
SELECT count(*) FROM Invoice WHERE BillingCountry || BillingCity = (SELECT Country || City FROM Customer WHERE CustomerId = 5)
-- or of indexes!
SELECT TrackId FROM Track WHERE AlbumId = 3 OR GenreId = 25 ORDER BY TrackId
-- best customers by country!
SELECT Country, LastName, spent FROM (SELECT c.Country, c.LastName, round(sum(i.Total), 2) AS spent, c.CustomerId FROM Customer c JOIN Invoice i USING (CustomerId) GROUP BY c.CustomerId) s WHERE spent = (SELECT max(t) FROM (SELECT round(sum(i2.Total), 2) AS t FROM Customer c2 JOIN Invoice i2 USING (CustomerId) WHERE c2.Country = s.Country GROUP BY c2.CustomerId)) ORDER BY Country, LastName
-- sold by employee!
SELECT e.FirstName, count(DISTINCT c.CustomerId), round(sum(i.Total), 2) FROM Employee e JOIN Customer c ON c.SupportRepId = e.EmployeeId JOIN Invoice i ON i.CustomerId = c.CustomerId GROUP BY e.EmployeeId ORDER BY e.EmployeeId
