const HEADER = `/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
`;
const FOOTER = `/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2026-11-24  8:26:34
`;

/** Dumps as programs that are not on this machine write them, without what Kedge rewrites. */
export const WRITTEN_DUMPS: [program: string, dump: string][] = [
  [
    'mysqldump 8.0',
    `-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	8.0.36

${HEADER}
--
-- Table structure for table \`users\`
--

DROP TABLE IF EXISTS \`users\`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!50503 SET character_set_client = utf8mb4 */;
CREATE TABLE \`users\` (
  \`id\` bigint unsigned NOT NULL AUTO_INCREMENT,
  \`name\` varchar(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL DEFAULT '',
  \`hidden\` int DEFAULT NULL /*!80023 INVISIBLE */,
  \`doc\` json DEFAULT (json_object()),
  \`at\` point NOT NULL /*!80003 SRID 4326 */,
  \`tag\` varchar(20) GENERATED ALWAYS AS (json_unquote(json_extract(\`doc\`,_utf8mb4'$.tag'))) VIRTUAL,
  PRIMARY KEY (\`id\`),
  KEY \`name\` (\`name\`) /*!80000 INVISIBLE */,
  SPATIAL KEY \`at\` (\`at\`),
  CONSTRAINT \`users_chk_1\` CHECK ((\`id\` > 0)) /*!80016 NOT ENFORCED */
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci /*!80016 DEFAULT ENCRYPTION='N' */
/*!50100 PARTITION BY RANGE (\`id\`)
(PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB,
 PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE = InnoDB) */;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table \`users\`
--

LOCK TABLES \`users\` WRITE;
/*!40000 ALTER TABLE \`users\` DISABLE KEYS */;
INSERT INTO \`users\` (\`id\`, \`name\`, \`hidden\`, \`doc\`, \`at\`) VALUES (1,'it\\'s',NULL,'{\\"a\\": 1}',0xE6100000010100000000000000000000000000000000000000),(2,'',-5,NULL,_binary '\\0\\0\\0\\0\\\\\\'');
/*!40000 ALTER TABLE \`users\` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_0900_ai_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER \`users_bi\` BEFORE INSERT ON \`users\` FOR EACH ROW BEGIN
  IF NEW.name = ';' THEN SET NEW.name = 'x'; END IF;
END */;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Temporary view structure for view \`names\`
--

DROP TABLE IF EXISTS \`names\`;
/*!50001 DROP VIEW IF EXISTS \`names\`*/;
SET @saved_cs_client     = @@character_set_client;
/*!50503 SET character_set_client = utf8mb4 */;
/*!50001 CREATE VIEW \`names\` AS SELECT 
 1 AS \`name\`*/;
SET character_set_client = @saved_cs_client;

--
-- Dumping events for database 'shop'
--
/*!50106 SET @save_time_zone= @@TIME_ZONE */ ;
/*!50106 DROP EVENT IF EXISTS \`e\` */;
DELIMITER ;;
/*!50003 SET @saved_time_zone      = @@time_zone */ ;;
/*!50003 SET time_zone             = 'SYSTEM' */ ;;
/*!50106 CREATE*/ /*!50106 EVENT \`e\` ON SCHEDULE EVERY 1 HOUR STARTS '2026-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO DELETE FROM users WHERE id > 100 */ ;;
/*!50003 SET time_zone             = @saved_time_zone */ ;;
DELIMITER ;
/*!50106 SET TIME_ZONE= @save_time_zone */ ;

--
-- Dumping routines for database 'shop'
--
/*!50003 DROP PROCEDURE IF EXISTS \`p\` */;
DELIMITER ;;
CREATE PROCEDURE \`p\`()
BEGIN
  SELECT 1;
END ;;
DELIMITER ;

--
-- Final view structure for view \`names\`
--

/*!50001 DROP VIEW IF EXISTS \`names\`*/;
/*!50001 SET @saved_cs_client          = @@character_set_client */;
/*!50001 SET @saved_cs_results         = @@character_set_results */;
/*!50001 SET @saved_col_connection     = @@collation_connection */;
/*!50001 SET character_set_client      = utf8mb4 */;
/*!50001 SET character_set_results     = utf8mb4 */;
/*!50001 SET collation_connection      = utf8mb4_0900_ai_ci */;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 SQL SECURITY DEFINER */
/*!50001 VIEW \`names\` AS select \`users\`.\`name\` AS \`name\` from \`users\` */
/*!50002 WITH CASCADED CHECK OPTION */;
/*!50001 SET character_set_client      = @saved_cs_client */;
/*!50001 SET character_set_results     = @saved_cs_results */;
/*!50001 SET collation_connection      = @saved_col_connection */;
${FOOTER}`,
  ],
  [
    'mysqldump 5.5 and 5.7',
    `-- MySQL dump 10.13  Distrib 5.7.44, for Linux (x86_64)
${HEADER.replace('50503 SET NAMES utf8mb4', '40101 SET NAMES utf8')}
DROP TABLE IF EXISTS \`v\`;
/*!50001 DROP VIEW IF EXISTS \`v\`*/;
SET @saved_cs_client     = @@character_set_client;
SET character_set_client = utf8;
/*!50001 CREATE TABLE \`v\` (
  \`a\` tinyint NOT NULL
) ENGINE=MyISAM */;
SET character_set_client = @saved_cs_client;
CREATE TABLE \`t\` (
  \`a\` int(11) DEFAULT NULL,
  \`b\` bit(3) DEFAULT b'101',
  \`c\` text
) ENGINE=MyISAM DEFAULT CHARSET=latin1 ROW_FORMAT=DYNAMIC COMMENT='x; -- y';
LOCK TABLES \`t\` WRITE;
INSERT  IGNORE INTO \`t\` VALUES (1,'','x'),(-1.5e10,0x05,NULL),(2,b'101','/*!50003 DROP TABLE t */; -- \\n');
UNLOCK TABLES;
DELIMITER ;;
/*!50003 SET SESSION SQL_MODE="" */;;
/*!50003 CREATE */ /*!50003 TRIGGER \`tr\` BEFORE INSERT ON \`t\` FOR EACH ROW SET NEW.a = 1 */;;
DELIMITER ;
/*!50003 SET SESSION SQL_MODE=@OLD_SQL_MODE */;
/*!50001 DROP TABLE IF EXISTS \`v\`*/;
/*!50001 CREATE ALGORITHM=MERGE */
/*!50013 SQL SECURITY INVOKER */
/*!50001 VIEW \`v\` AS select \`t\`.\`a\` AS \`a\` from \`t\` */;
${FOOTER}`,
  ],
  [
    'mariadb-dump 10.3',
    `-- MariaDB dump 10.17  Distrib 10.3.39-MariaDB, for debian-linux-gnu (x86_64)
${HEADER.replace('50503', '40101')}
CREATE SEQUENCE \`s\` start with 1 minvalue 1 maxvalue 9223372036854775806 increment by 1 cache 1000 nocycle ENGINE=InnoDB;
SELECT SETVAL(\`s\`, 1001, 0);
CREATE TABLE \`h\` (
  \`a\` int(11) DEFAULT nextval(\`s\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 WITH SYSTEM VERSIONING
 PARTITION BY SYSTEM_TIME INTERVAL 1 MONTH (PARTITION \`p0\` HISTORY ENGINE = InnoDB, PARTITION \`pn\` CURRENT ENGINE = InnoDB);
${FOOTER}`,
  ],
  [
    'mariadb-dump 11.4',
    `/*M!999999\\- enable the sandbox mode */ 
-- MariaDB dump 10.19-11.4.2-MariaDB, for debian-linux-gnu (x86_64)
${HEADER.replace('50503', '40101').replace('/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */', '/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */')}
CREATE SEQUENCE \`s\` start with 1 minvalue 1 maxvalue 9223372036854775806 increment by 1 cache 1000 nocycle ENGINE=InnoDB;
DO SETVAL(\`s\`, -1001, 0);
CREATE TABLE \`h\` (
  \`a\` int(11) DEFAULT NULL,
  \`row_start\` timestamp(6) GENERATED ALWAYS AS ROW START,
  \`row_end\` timestamp(6) GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (\`row_start\`, \`row_end\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci WITH SYSTEM VERSIONING;
/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, @@session.system_versioning_insert_history=1 */;
SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;
INSERT INTO \`h\` (\`a\`, \`row_start\`, \`row_end\`) VALUES
(1,'2026-01-01 00:00:00.000000','2038-01-19 03:14:07.999999');
COMMIT;
SET AUTOCOMMIT=@OLD_AUTOCOMMIT;
/*M!101100 SET system_versioning_insert_history=@old_system_versioning_insert_history */;
${FOOTER.replace('/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */', '/*M!100616 SET NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY */')}`,
  ],
  [
    'Aegir',
    `-- MySQL dump 10.13
${HEADER}
/*!40101 SET character_set_client = utf8 */;
CREATE TABLE \`variable\` (
  \`name\` varchar(128) NOT NULL DEFAULT '' COMMENT 'The name of the variable.',
  \`value\` longblob NOT NULL COMMENT 'The value of the variable.',
  PRIMARY KEY (\`name\`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8 COMMENT='Named variable/value pairs created by Drupal core or any...';
set autocommit=0;
INSERT INTO \`variable\` VALUES ('clean_url','s:1:\\"1\\";'),('x',0x613A303A7B7D);
commit;
${FOOTER}`,
  ],
  [
    'phpMyAdmin',
    `-- phpMyAdmin SQL Dump
-- version 5.2.1
-- https://www.phpmyadmin.net/

SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
SET AUTOCOMMIT = 0;
START TRANSACTION;
SET time_zone = "+00:00";

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;

DELIMITER $$
--
-- Procedures
--
CREATE PROCEDURE \`p\` (IN \`a\` INT)   BEGIN
  SELECT a;
END$$

CREATE FUNCTION \`f\` (\`a\` INT) RETURNS INT(11)  RETURN a + 1$$

DELIMITER ;

-- --------------------------------------------------------

CREATE TABLE \`wp_posts\` (
  \`ID\` bigint(20) UNSIGNED NOT NULL,
  \`title\` text COLLATE utf8mb4_unicode_ci NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO \`wp_posts\` (\`ID\`, \`title\`) VALUES
(1, 'Hello'),
(2, 'it''s; a "title"');

--
-- Triggers
--
DELIMITER $$
CREATE TRIGGER \`tr\` BEFORE INSERT ON \`wp_posts\` FOR EACH ROW SET NEW.title = 'x'
$$
DELIMITER ;

ALTER TABLE \`wp_posts\`
  ADD PRIMARY KEY (\`ID\`),
  ADD KEY \`title\` (\`title\`(20));

ALTER TABLE \`wp_posts\`
  MODIFY \`ID\` bigint(20) UNSIGNED NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=3;

ALTER TABLE \`wp_posts\`
  ADD CONSTRAINT \`fk\` FOREIGN KEY (\`ID\`) REFERENCES \`wp_posts\` (\`ID\`) ON DELETE CASCADE;
COMMIT;

/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
-- Dump completed
`,
  ],
  [
    'HeidiSQL and Adminer',
    `/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
SET NAMES utf8;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE TABLE IF NOT EXISTS places (id int, at point);
INSERT INTO places (id, at) VALUES (1, ST_GeomFromText('POINT(1 2)')), (2, GeomFromText('POINT(1 2)'));
/*!40101 SET SQL_MODE=IFNULL(@OLD_SQL_MODE, '') */;
/*!40014 SET FOREIGN_KEY_CHECKS=IFNULL(@OLD_FOREIGN_KEY_CHECKS, 1) */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
-- Dump completed
`,
  ],
  [
    'a text of Windows',
    `\uFEFF-- by hand\r\nSET NAMES utf8;\r\nCREATE TABLE t (a int);\r\nINSERT INTO t VALUES (1),\r\n(2);\r\n-- Dump completed\r\n`,
  ],
];
