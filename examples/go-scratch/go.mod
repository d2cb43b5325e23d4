module example.org/helloworld

go 1.22
